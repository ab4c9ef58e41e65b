# What the workflows may do, by the identity that GitHub gives them: no key of theirs lies anywhere. Two roles: one pushes
# images, one applies this configuration, and each is for the jobs of one GitHub environment alone.

locals {
  github = "token.actions.githubusercontent.com"
  provider = (
    var.github_provider
    ? aws_iam_openid_connect_provider.github[0].arn
    : "${local.arn}:iam::${local.account}:oidc-provider/${local.github}"
  )
  # The release job pushes; the job of this environment deploys.
  jobs = { publish = "release", deploy = var.environment }
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.github_provider ? 1 : 0

  url            = "https://${local.github}"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "github_assume" {
  for_each = local.jobs

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.github}:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.github}:sub"
      values   = ["repo:${var.github_repository}:environment:${each.value}"]
    }
  }
}

resource "aws_iam_role" "github" {
  for_each = local.jobs

  name                 = "${local.name}-github-${each.key}"
  description          = "Jobs of the GitHub environment ${each.value} of ${var.github_repository}"
  assume_role_policy   = data.aws_iam_policy_document.github_assume[each.key].json
  max_session_duration = 3600
}

data "aws_iam_policy_document" "publish" {
  statement {
    sid       = "Login"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid = "Push"
    actions = [
      "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
      "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
    ]
    resources = [for each in aws_ecr_repository.this : each.arn]
  }
}

# A deploy changes task definitions, services and alarms. Networks, keys, databases, buckets and roles are read, so that a
# plan can tell whether they drifted; who changes those applies with a role of his own (docs/deploy.md).
data "aws_iam_policy_document" "deploy" {
  statement {
    sid = "Plan"
    actions = [
      "acm:DescribeCertificate", "acm:ListTagsForCertificate", "application-autoscaling:Describe*",
      "application-autoscaling:ListTagsForResource", "budgets:ListTagsForResource", "budgets:ViewBudget",
      "cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource", "ec2:Describe*", "ecr:DescribeRepositories",
      "ecr:GetLifecyclePolicy", "ecr:ListTagsForResource", "ecs:Describe*", "ecs:ListTagsForResource",
      "elasticloadbalancing:Describe*", "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
      "kms:ListAliases", "kms:ListResourceTags", "logs:DescribeLogGroups", "logs:ListTagsForResource",
      "rds:Describe*", "rds:ListTagsForResource", "route53:GetHostedZone", "route53:ListTagsForResource",
      "secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy", "servicediscovery:Get*",
      "servicediscovery:ListTagsForResource", "sns:GetSubscriptionAttributes", "sns:GetTopicAttributes",
      "sns:ListTagsForResource", "wafv2:GetWebACL", "wafv2:GetWebACLForResource", "wafv2:ListTagsForResource",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "PlanBuckets"
    actions   = ["s3:GetBucket*", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:ListBucket"]
    resources = [for each in aws_s3_bucket.this : each.arn]
  }

  statement {
    sid = "PlanRoles"
    actions = [
      "iam:GetOpenIDConnectProvider", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies",
      "iam:ListRolePolicies",
    ]
    resources = ["${local.arn}:iam::${local.account}:role/${local.name}-*", local.provider]
  }

  # A new task definition is a new revision of a family that the account names: ECS narrows neither act to one.
  statement {
    sid       = "Revisions"
    actions   = ["ecs:DeregisterTaskDefinition", "ecs:RegisterTaskDefinition"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  statement {
    sid       = "Services"
    actions   = ["ecs:CreateService", "ecs:DeleteService", "ecs:TagResource", "ecs:UpdateService"]
    resources = ["${local.arn}:ecs:${var.region}:${local.account}:service/${local.name}/*"]
  }

  statement {
    sid       = "TaskDefinitions"
    actions   = ["ecs:TagResource"]
    resources = ["${local.arn}:ecs:${var.region}:${local.account}:task-definition/${local.name}-*:*"]
  }

  statement {
    sid       = "Alarms"
    actions   = ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"]
    resources = ["${local.arn}:cloudwatch:${var.region}:${local.account}:alarm:${local.name}-*"]
  }

  statement {
    sid = "Autoscaling"
    actions = [
      "application-autoscaling:DeleteScalingPolicy", "application-autoscaling:DeregisterScalableTarget",
      "application-autoscaling:PutScalingPolicy", "application-autoscaling:RegisterScalableTarget",
      "application-autoscaling:TagResource",
    ]
    resources = ["${local.arn}:application-autoscaling:${var.region}:${local.account}:scalable-target/*"]
  }

  statement {
    sid = "FirstDeployment"
    actions = [
      "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:PutRolePolicy", "iam:TagRole",
      "iam:ListInstanceProfilesForRole",
    ]
    resources = [for each in ["blue", "green"] : "${local.arn}:iam::${local.account}:role/${local.name}-${each}-*"]
  }

  statement {
    sid       = "RunAs"
    actions   = ["iam:PassRole"]
    resources = [for each in ["blue", "green"] : "${local.arn}:iam::${local.account}:role/${local.name}-${each}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:TagResource"]
    resources = ["${local.arn}:logs:${var.region}:${local.account}:log-group:/${local.name}-*"]
  }

  statement {
    sid       = "State"
    actions   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${local.arn}:s3:::${var.state_bucket}/${var.project}/${var.environment}.tfstate*"]
  }

  statement {
    sid       = "StateList"
    actions   = ["s3:ListBucket"]
    resources = ["${local.arn}:s3:::${var.state_bucket}"]
  }
}

resource "aws_iam_role_policy" "github" {
  for_each = {
    publish = data.aws_iam_policy_document.publish.json
    deploy  = data.aws_iam_policy_document.deploy.json
  }

  name   = each.key
  role   = aws_iam_role.github[each.key].id
  policy = each.value
}
