# PostgreSQL of the server under test, and its end at the expiry: a database does not end itself.

locals {
  rds           = local.with_server && var.database_engine == "rds" ? 1 : 0
  aurora        = local.with_server && var.database_engine == "aurora" ? 1 : 0
  database_user = "mmuser"
  database_name = "mattermost"
  database_host = one(concat(aws_db_instance.rds[*].address, aws_rds_cluster.aurora[*].endpoint))
  readers       = local.aurora == 1 && var.database_count > 1 && var.licence != "" ? [aws_rds_cluster.aurora[0].reader_endpoint] : []
  exporter_url  = local.with_server ? local.database_urls[0] : ""
  database_url  = local.with_server ? "${local.database_urls[0]}&connect_timeout=10&binary_parameters=yes" : ""
  replica_urls  = [for each in slice(local.database_urls, 1, length(local.database_urls)) : "${each}&connect_timeout=10&binary_parameters=yes"]
  database_urls = [
    for host in concat([local.database_host], local.readers) :
    "postgres://${local.database_user}:${var.database_password}@${coalesce(host, "none")}:5432/${local.database_name}?sslmode=require"
  ]
}

resource "aws_db_subnet_group" "database" {
  count      = local.with_server ? 1 : 0
  name       = var.deployment_id
  subnet_ids = local.subnet_ids
}

resource "aws_db_instance" "rds" {
  count                   = local.rds
  identifier              = var.deployment_id
  engine                  = "postgres"
  engine_version          = var.database_version
  instance_class          = var.database_type
  allocated_storage       = var.database_disk_gib
  storage_type            = "gp3"
  storage_encrypted       = true
  db_name                 = local.database_name
  username                = local.database_user
  password                = var.database_password
  db_subnet_group_name    = aws_db_subnet_group.database[0].name
  vpc_security_group_ids  = [aws_security_group.database[0].id]
  publicly_accessible     = false
  apply_immediately       = true
  backup_retention_period = 0
  skip_final_snapshot     = true
}

resource "aws_rds_cluster" "aurora" {
  count                  = local.aurora
  cluster_identifier     = var.deployment_id
  engine                 = "aurora-postgresql"
  engine_version         = var.database_version
  storage_encrypted      = true
  database_name          = local.database_name
  master_username        = local.database_user
  master_password        = var.database_password
  db_subnet_group_name   = aws_db_subnet_group.database[0].name
  vpc_security_group_ids = [aws_security_group.database[0].id]
  apply_immediately      = true
  skip_final_snapshot    = true
}

resource "aws_rds_cluster_instance" "aurora" {
  count                = local.aurora * var.database_count
  identifier           = "${var.deployment_id}-${count.index + 1}"
  cluster_identifier   = aws_rds_cluster.aurora[0].id
  engine               = aws_rds_cluster.aurora[0].engine
  engine_version       = aws_rds_cluster.aurora[0].engine_version
  instance_class       = var.database_type
  db_subnet_group_name = aws_db_subnet_group.database[0].name
  publicly_accessible  = false
  apply_immediately    = true
}

# At the expiry: the instances, and an hour later the cluster that they leave.
locals {
  endings = merge(
    { for each in concat(aws_db_instance.rds[*].identifier, aws_rds_cluster_instance.aurora[*].identifier) : each => {
      at     = var.expires_at
      action = "deleteDBInstance"
      input  = merge({ DbInstanceIdentifier = each }, local.rds == 1 ? { SkipFinalSnapshot = true } : {})
    } },
    { for each in aws_rds_cluster.aurora[*].cluster_identifier : "${each}-cluster" => {
      at     = timeadd(var.expires_at, "1h")
      action = "deleteDBCluster"
      input  = { DbClusterIdentifier = each, SkipFinalSnapshot = true }
    } },
  )
}

resource "aws_iam_role" "ending" {
  count = local.with_server ? 1 : 0
  name  = "${var.deployment_id}-ending"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "scheduler.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "ending" {
  count = local.with_server ? 1 : 0
  name  = "ending"
  role  = aws_iam_role.ending[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["rds:DeleteDBInstance", "rds:DeleteDBCluster"]
      Resource = concat(aws_db_instance.rds[*].arn, aws_rds_cluster.aurora[*].arn, aws_rds_cluster_instance.aurora[*].arn)
    }]
  })
}

resource "aws_scheduler_schedule" "ending" {
  for_each = local.endings

  name                         = "${each.key}-ending"
  schedule_expression          = "at(${formatdate("YYYY-MM-DD'T'hh:mm:ss", each.value.at)})"
  schedule_expression_timezone = "UTC"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:${data.aws_partition.this.partition}:scheduler:::aws-sdk:rds:${each.value.action}"
    role_arn = aws_iam_role.ending[0].arn
    input    = jsonencode(each.value.input)
  }
}
