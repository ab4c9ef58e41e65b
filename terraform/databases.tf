# PostgreSQL for the journal, for Prefect and for MLflow: apart, so that no flow's account reaches a decision. Passwords
# are made and rotated by RDS in Secrets Manager, and are in no state and no variable.

resource "aws_db_subnet_group" "this" {
  name       = local.name
  subnet_ids = [for each in aws_subnet.private : each.id]
}

resource "aws_db_parameter_group" "this" {
  name   = "${local.name}-postgres${var.postgres_version}"
  family = "postgres${var.postgres_version}"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name  = "log_connections"
    value = "1"
  }

  parameter {
    name  = "log_disconnections"
    value = "1"
  }

  # Statements hold people's inputs: those that change the schema are logged, rows never.
  parameter {
    name  = "log_statement"
    value = "ddl"
  }
}

resource "aws_cloudwatch_log_group" "database" {
  for_each = var.databases

  name              = "/aws/rds/instance/${local.name}-${each.key}/postgresql"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.this["operations"].arn
}

data "aws_iam_policy_document" "monitoring_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["monitoring.rds.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "monitoring" {
  name               = "${local.name}-rds-monitoring"
  assume_role_policy = data.aws_iam_policy_document.monitoring_assume.json
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "${local.arn}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

resource "aws_db_instance" "this" {
  for_each = var.databases

  identifier     = "${local.name}-${each.key}"
  engine         = "postgres"
  engine_version = var.postgres_version
  instance_class = each.value.class
  db_name        = each.key
  username       = "fairmark"

  manage_master_user_password   = true
  master_user_secret_kms_key_id = aws_kms_key.this[each.key == "journal" ? "journal" : "operations"].arn

  allocated_storage     = each.value.storage
  max_allocated_storage = 4 * each.value.storage
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.this[each.key == "journal" ? "journal" : "operations"].arn

  multi_az               = each.value.standby
  db_subnet_group_name   = aws_db_subnet_group.this.name
  parameter_group_name   = aws_db_parameter_group.this.name
  vpc_security_group_ids = [aws_security_group.this["database"].id]
  publicly_accessible    = false
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  # Days of backups are days of point-in-time recovery; a last snapshot is taken before a database goes.
  backup_retention_period    = each.value.days
  backup_window              = "02:00-03:00"
  maintenance_window         = "sun:03:30-sun:04:30"
  copy_tags_to_snapshot      = true
  delete_automated_backups   = !var.protect
  deletion_protection        = var.protect
  skip_final_snapshot        = !var.protect
  final_snapshot_identifier  = var.protect ? "${local.name}-${each.key}-last" : null
  auto_minor_version_upgrade = true
  apply_immediately          = false

  iam_database_authentication_enabled = true
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]
  performance_insights_enabled        = true
  performance_insights_kms_key_id     = aws_kms_key.this[each.key == "journal" ? "journal" : "operations"].arn
  monitoring_interval                 = 60
  monitoring_role_arn                 = aws_iam_role.monitoring.arn

  depends_on = [aws_cloudwatch_log_group.database]
}
