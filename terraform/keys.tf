# Keys apart: who may read the journal (people's inputs) is not who may read releases, nor who runs the machines.

locals {
  keys = {
    releases   = "Released models, their data and images"
    journal    = "The journal: what was decided about whom"
    operations = "Logs, alarms, secrets and the flows' databases"
  }
  # Services that use a key by themselves. RDS, ECR, S3 and Secrets Manager use one for whoever calls them, by grants.
  users_of_keys = {
    releases   = []
    journal    = []
    operations = ["cloudwatch.amazonaws.com", "sns.amazonaws.com", "budgets.amazonaws.com"]
  }
  # Who never reads the journal, whatever another policy lets him do: the workflows, and the flows' tasks.
  kept_from_journal = [
    for each in ["github-*", "worker-*", "prefect-*", "mlflow-*"] : "${local.arn}:iam::${local.account}:role/${local.name}-${each}"
  ]
}

data "aws_iam_policy_document" "key" {
  for_each = local.keys

  statement {
    sid       = "Account"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = [local.root]
    }
  }

  dynamic "statement" {
    for_each = length(local.users_of_keys[each.key]) > 0 ? [1] : []
    content {
      sid       = "Services"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = local.users_of_keys[each.key]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }
    }
  }

  # CloudWatch Logs names the log group that it encrypts, and no account.
  dynamic "statement" {
    for_each = each.key == "operations" ? [1] : []
    content {
      sid = "Logs"
      actions = [
        "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom", "kms:ReEncryptTo",
      ]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = ["logs.${var.region}.amazonaws.com"]
      }

      condition {
        test     = "ArnLike"
        variable = "kms:EncryptionContext:aws:logs:arn"
        values   = ["${local.arn}:logs:${var.region}:${local.account}:*"]
      }
    }
  }

  dynamic "statement" {
    for_each = each.key == "journal" ? [1] : []
    content {
      sid       = "NoFlowReadsIt"
      effect    = "Deny"
      actions   = ["kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom"]
      resources = ["*"]

      principals {
        type        = "AWS"
        identifiers = ["*"]
      }

      condition {
        test     = "ArnLike"
        variable = "aws:PrincipalArn"
        values   = local.kept_from_journal
      }
    }
  }
}

resource "aws_kms_key" "this" {
  for_each = local.keys

  description             = "${local.name}: ${each.value}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key[each.key].json
}

resource "aws_kms_alias" "this" {
  for_each = local.keys

  name          = "alias/${local.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}
