# An alarm calls: by mail, by an HTTPS call, and back to the deployment that it went off in. The rest is the budget.

resource "aws_sns_topic" "alarms" {
  name              = "${local.name}-alarms"
  kms_master_key_id = aws_kms_key.this["operations"].arn
}

data "aws_iam_policy_document" "alarms" {
  statement {
    sid       = "Publish"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms.json
}

resource "aws_sns_topic_subscription" "mail" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_address
}

resource "aws_sns_topic_subscription" "callback" {
  count = var.callback_url == "" ? 0 : 1

  topic_arn              = aws_sns_topic.alarms.arn
  protocol               = "https"
  endpoint               = var.callback_url
  endpoint_auto_confirms = true
}

locals {
  calls = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "faults" {
  for_each = aws_lb_target_group.this

  alarm_name          = "${local.name}-${each.key}-faults"
  alarm_description   = "More than ${var.alarms.faults_share * 100}% of the answers of ${each.key} are 5xx"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.alarms.faults_share
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.calls
  ok_actions          = local.calls

  metric_query {
    id          = "share"
    expression  = "IF(requests > 0, faults / requests, 0)"
    label       = "Share of 5xx"
    return_data = true
  }

  metric_query {
    id = "faults"

    metric {
      namespace   = "AWS/ApplicationELB"
      metric_name = "HTTPCode_Target_5XX_Count"
      period      = 60
      stat        = "Sum"
      dimensions  = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = each.value.arn_suffix }
    }
  }

  metric_query {
    id = "requests"

    metric {
      namespace   = "AWS/ApplicationELB"
      metric_name = "RequestCount"
      period      = 60
      stat        = "Sum"
      dimensions  = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = each.value.arn_suffix }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "slow" {
  for_each = aws_lb_target_group.this

  alarm_name          = "${local.name}-${each.key}-slow"
  alarm_description   = "One answer of ${each.key} in a hundred takes longer than ${var.alarms.slow_s} s"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.alarms.slow_s
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "TargetResponseTime"
  extended_statistic  = "p99"
  period              = 60
  dimensions          = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = each.value.arn_suffix }
  alarm_actions       = local.calls
  ok_actions          = local.calls
}

resource "aws_cloudwatch_metric_alarm" "unhealthy" {
  for_each = { for colour, image in var.images : colour => aws_lb_target_group.this[colour] if image != "" }

  alarm_name          = "${local.name}-${each.key}-unhealthy"
  alarm_description   = "No target of ${each.key} is healthy"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = 2
  treat_missing_data  = "breaching"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HealthyHostCount"
  statistic           = "Minimum"
  period              = 60
  dimensions          = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = each.value.arn_suffix }
  alarm_actions       = local.calls
  ok_actions          = local.calls
}

resource "aws_cloudwatch_metric_alarm" "storage" {
  for_each = aws_db_instance.this

  alarm_name          = "${local.name}-${each.key}-storage"
  alarm_description   = "The database ${each.key} has less than ${var.alarms.free_gib} GiB left: a full journal stops all decisions"
  comparison_operator = "LessThanThreshold"
  threshold           = var.alarms.free_gib * 1024 * 1024 * 1024
  evaluation_periods  = 2
  treat_missing_data  = "missing"
  namespace           = "AWS/RDS"
  metric_name         = "FreeStorageSpace"
  statistic           = "Minimum"
  period              = 300
  dimensions          = { DBInstanceIdentifier = each.value.identifier }
  alarm_actions       = local.calls
  ok_actions          = local.calls
}

resource "aws_budgets_budget" "this" {
  name         = local.name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.budget_usd)
  limit_unit   = "USD"

  cost_filter {
    name   = "TagKeyValue"
    values = [join("$", ["user:environment", var.environment])]
  }

  notification {
    comparison_operator        = "GREATER_THAN"
    threshold                  = 80
    threshold_type             = "PERCENTAGE"
    notification_type          = "ACTUAL"
    subscriber_email_addresses = [var.alarm_address]
  }

  notification {
    comparison_operator        = "GREATER_THAN"
    threshold                  = 100
    threshold_type             = "PERCENTAGE"
    notification_type          = "FORECASTED"
    subscriber_email_addresses = [var.alarm_address]
  }
}
