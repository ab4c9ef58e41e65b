# Prefect's server and worker and MLflow, reached from inside alone, by name; each with a database of its own.

resource "aws_service_discovery_private_dns_namespace" "this" {
  name        = "${local.name}.internal"
  description = "Names of the flows' servers"
  vpc         = aws_vpc.this.id
}

resource "aws_service_discovery_service" "this" {
  for_each = toset(["prefect", "mlflow"])

  name = each.key

  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.this.id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 10
    }
  }
}

locals {
  prefect = "http://prefect.${local.name}.internal:4200"
  mlflow  = "http://mlflow.${local.name}.internal:5000"
  store = {
    for name in ["prefect", "mlflow"] : name =>
    "${aws_db_instance.this[name].username}@${aws_db_instance.this[name].endpoint}/${name}"
  }
  flows = {
    prefect = {
      command = ["prefect", "server", "start", "--host", "0.0.0.0", "--port", "4200"]
      port    = 4200
      cpu     = 512
      memory  = 2048
      environment = {
        PREFECT_API_DATABASE_CONNECTION_URL = "postgresql+asyncpg://${local.store["prefect"]}?ssl=require"
        PREFECT_SERVER_ANALYTICS_ENABLED    = "false"
        PREFECT_HOME                        = "/tmp/prefect"
      }
      secrets = {
        PGPASSWORD                     = "${aws_db_instance.this["prefect"].master_user_secret[0].secret_arn}:password::"
        PREFECT_SERVER_API_AUTH_STRING = aws_secretsmanager_secret.this["prefect-auth"].arn
      }
      health   = "http://127.0.0.1:4200/api/health"
      policies = []
    }
    mlflow = {
      command = [
        "mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "1", "--no-serve-artifacts",
        "--backend-store-uri", "postgresql+psycopg://${local.store["mlflow"]}?sslmode=require",
        "--default-artifact-root", "s3://${local.buckets["data"]}/mlflow",
      ]
      port        = 5000
      cpu         = 512
      memory      = 2048
      environment = { MLFLOW_SERVER_ALLOWED_HOSTS = "mlflow.${local.name}.internal:5000,127.0.0.1:5000", HOME = "/tmp" }
      secrets     = { PGPASSWORD = "${aws_db_instance.this["mlflow"].master_user_secret[0].secret_arn}:password::" }
      health      = "http://127.0.0.1:5000/health"
      policies    = []
    }
    worker = {
      command = ["prefect", "worker", "start", "--pool", "fairmark", "--type", "process", "--with-healthcheck"]
      port    = 0
      cpu     = 2048
      memory  = 8192
      environment = {
        PREFECT_API_URL     = "${local.prefect}/api"
        PREFECT_HOME        = "/tmp/prefect"
        MLFLOW_TRACKING_URI = local.mlflow
        FAIRMARK_LISTENER   = aws_lb_listener.https.arn
        FAIRMARK_CLUSTER    = aws_ecs_cluster.this.name
        AWS_DEFAULT_REGION  = var.region
        HOME                = "/tmp"
      }
      secrets = {
        PREFECT_API_AUTH_STRING = aws_secretsmanager_secret.this["prefect-auth"].arn
        FAIRMARK_ALARM_KEY      = aws_secretsmanager_secret.this["alarm-key"].arn
      }
      health   = "http://127.0.0.1:8080/health"
      policies = [data.aws_iam_policy_document.worker.json]
    }
  }
}

# What the worker does: reads and writes data, adds releases (it can't take one away), and moves the traffic.
data "aws_iam_policy_document" "worker" {
  statement {
    sid       = "Data"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${aws_s3_bucket.this["data"].arn}/*"]
  }

  statement {
    sid       = "Releases"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.this["releases"].arn}/*"]
  }

  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this["data"].arn, aws_s3_bucket.this["releases"].arn]
  }

  statement {
    sid       = "Encrypt"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.this["releases"].arn]
  }

  statement {
    sid       = "MoveTraffic"
    actions   = ["elasticloadbalancing:ModifyListener"]
    resources = [aws_lb_listener.https.arn]
  }

  # A colour that is to get more traffic gets its tasks first: autoscaling sees a load when it is there.
  statement {
    sid       = "ScaleColours"
    actions   = ["ecs:DescribeServices", "ecs:UpdateService"]
    resources = local.colours

    # With a task definition of its own choice it could run anything in the service's roles.
    condition {
      test     = "Null"
      variable = "ecs:task-definition"
      values   = ["true"]
    }
  }

  # None of these three can be narrowed to a resource.
  statement {
    sid = "SeeTraffic"
    actions = [
      "elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeTags",
      "elasticloadbalancing:DescribeTargetHealth",
    ]
    resources = ["*"]
  }
}

module "flows" {
  source   = "./modules/service"
  for_each = local.flows

  name        = "${local.name}-${each.key}"
  cluster     = { name = aws_ecs_cluster.this.name, arn = aws_ecs_cluster.this.arn }
  image       = var.worker_image
  repository  = aws_ecr_repository.this["worker"].arn
  command     = each.value.command
  cpu         = each.value.cpu
  memory      = each.value.memory
  port        = each.value.port
  health      = ["python", "-c", "import urllib.request as r; r.urlopen('${each.value.health}', timeout=4)"]
  environment = each.value.environment
  secrets     = each.value.secrets
  keys        = [aws_kms_key.this["operations"].arn]
  policies    = each.value.policies
  registries  = each.value.port == 0 ? [] : [aws_service_discovery_service.this[each.key].arn]

  subnets         = [for each in aws_subnet.private : each.id]
  security_groups = [aws_security_group.this["flows"].id]
  logs            = { days = var.log_days, key = aws_kms_key.this["operations"].arn }
}
