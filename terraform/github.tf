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

# A deploy changes task definitions, the services of the two colours, and their alarms. Networks, keys, databases, buckets,
# roles and logs are read, so that a plan can tell whether they drifted; who changes those applies with a role of his own
# (docs/deploy.md). No action by a wildcard; tests/proofs/test_terraform.py compares them with the calls that a plan makes.
data "aws_iam_policy_document" "deploy" {
  statement {
    sid = "Plan"
    actions = [
      "application-autoscaling:DescribeScalableTargets",
      "application-autoscaling:DescribeScalingPolicies", "application-autoscaling:ListTagsForResource",
      "budgets:ListTagsForResource", "budgets:ViewBudget", "cloudwatch:DescribeAlarms",
      "cloudwatch:ListTagsForResource", "ec2:DescribeAddresses", "ec2:DescribeAddressesAttribute",
      "ec2:DescribeFlowLogs", "ec2:DescribeInternetGateways",
      "ec2:DescribeNatGateways", "ec2:DescribeNetworkAcls", "ec2:DescribePrefixLists", "ec2:DescribeRouteTables",
      "ec2:DescribeSecurityGroupRules", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets",
      "ec2:DescribeVpcAttribute", "ec2:DescribeVpcEndpoints", "ec2:DescribeVpcs", "ecr:DescribeRepositories",
      "ecr:GetLifecyclePolicy", "ecr:ListTagsForResource", "ecs:DescribeClusters",
      "ecs:DescribeServices", "ecs:DescribeTaskDefinition",
      "elasticloadbalancing:DescribeCapacityReservation", "elasticloadbalancing:DescribeListenerAttributes",
      "elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeLoadBalancerAttributes",
      "elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeTags",
      "elasticloadbalancing:DescribeTargetGroupAttributes", "elasticloadbalancing:DescribeTargetGroups",
      "elasticloadbalancing:DescribeTargetHealth", "kms:DescribeKey", "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus", "kms:ListAliases", "kms:ListResourceTags", "logs:DescribeLogGroups",
      "logs:ListTagsForResource", "rds:DescribeDBInstances", "rds:DescribeDBParameterGroups",
      "rds:DescribeDBParameters", "rds:DescribeDBSubnetGroups", "rds:ListTagsForResource",
      "secretsmanager:DescribeSecret",
      "secretsmanager:GetResourcePolicy", "servicediscovery:GetNamespace", "servicediscovery:GetService",
      "servicediscovery:ListTagsForResource", "sns:GetSubscriptionAttributes", "sns:GetTopicAttributes",
      "sns:ListTagsForResource", "wafv2:GetLoggingConfiguration", "wafv2:GetWebACL", "wafv2:GetWebACLForResource",
      "wafv2:ListTagsForResource",
    ]
    resources = ["*"]
  }

  statement {
    sid = "PlanBuckets"
    actions = [
      "s3:GetAccelerateConfiguration", "s3:GetBucketAcl", "s3:GetBucketCORS", "s3:GetBucketLogging",
      "s3:GetBucketObjectLockConfiguration", "s3:GetBucketOwnershipControls", "s3:GetBucketPolicy",
      "s3:GetBucketPublicAccessBlock", "s3:GetBucketRequestPayment", "s3:GetBucketTagging",
      "s3:GetBucketVersioning", "s3:GetBucketWebsite", "s3:GetEncryptionConfiguration",
      "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration", "s3:ListBucket",
    ]
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

  # A new task definition is a new revision of a family that the account names: ECS does not narrow it to one.
  statement {
    sid       = "Revisions"
    actions   = ["ecs:RegisterTaskDefinition"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  statement {
    sid       = "Services"
    actions   = ["ecs:CreateService", "ecs:TagResource", "ecs:UpdateService"]
    resources = local.colours
  }

  statement {
    sid       = "TaskDefinitions"
    actions   = ["ecs:TagResource"]
    resources = [for each in ["blue", "green"] : "${local.arn}:ecs:${var.region}:${local.account}:task-definition/${local.name}-${each}:*"]
  }

  statement {
    sid       = "Alarms"
    actions   = ["cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"]
    resources = [for each in ["blue", "green"] : "${local.arn}:cloudwatch:${var.region}:${local.account}:alarm:${local.name}-${each}-unhealthy"]
  }

  statement {
    sid       = "Autoscaling"
    actions   = ["application-autoscaling:PutScalingPolicy", "application-autoscaling:RegisterScalableTarget"]
    resources = ["${local.arn}:application-autoscaling:${var.region}:${local.account}:scalable-target/*"]

    condition {
      test     = "StringEquals"
      variable = "application-autoscaling:service-namespace"
      values   = ["ecs"]
    }
  }

  statement {
    sid       = "AutoscalingTags"
    actions   = ["application-autoscaling:TagResource"]
    resources = ["${local.arn}:application-autoscaling:${var.region}:${local.account}:scalable-target/*"]
  }

  # Which release a colour holds is a tag of its target group.
  statement {
    sid       = "NameRelease"
    actions   = ["elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags"]
    resources = [for each in ["blue", "green"] : "${local.arn}:elasticloadbalancing:${var.region}:${local.account}:targetgroup/${local.name}-${each}/*"]
  }

  # It makes no role and changes none: with a policy of its own choice a task could do anything.
  statement {
    sid       = "RunAs"
    actions   = ["iam:PassRole"]
    resources = local.colour_roles

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid       = "State"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = [for each in ["", ".tflock"] : "${local.arn}:s3:::${var.state_bucket}/${var.project}/${var.environment}.tfstate${each}"]
  }

  statement {
    sid       = "StateUnlock"
    actions   = ["s3:DeleteObject"]
    resources = ["${local.arn}:s3:::${var.state_bucket}/${var.project}/${var.environment}.tfstate.tflock"]
  }

  statement {
    sid       = "StateList"
    actions   = ["s3:ListBucket"]
    resources = ["${local.arn}:s3:::${var.state_bucket}"]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${var.project}/${var.environment}.tfstate*"]
    }
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
