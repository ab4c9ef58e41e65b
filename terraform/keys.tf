# Keys apart: who may read the journal (people's inputs) is not who may read releases, nor who runs the machines.

locals {
  keys = {
    releases   = "Released models, their data and images"
    journal    = "The journal: what was decided about whom"
    operations = "Logs, alarms, secrets and the flows' databases"
  }
  # AWS's own services that use a key on behalf of this account.
  users_of_keys = {
    releases   = ["ecr.amazonaws.com"]
    journal    = ["rds.amazonaws.com"]
    operations = ["logs.${var.region}.amazonaws.com", "cloudwatch.amazonaws.com", "sns.amazonaws.com", "rds.amazonaws.com", "budgets.amazonaws.com"]
  }
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

  statement {
    sid       = "Services"
    actions   = ["kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = local.users_of_keys[each.key]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:SourceAccount"
      values   = [local.account]
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
