# The server under test: nginx in front, Mattermost behind it, its secrets and its files.

locals {
  with_metrics = local.with_server && var.metrics
  parameters   = "/${var.deployment_id}/"
  # From inside the VPC this name leads to the private address.
  server_address = !local.with_server ? "" : var.public_addresses ? aws_eip.proxy[0].public_dns : module.proxy[0].private_address
  server_url     = local.with_server ? "http://${local.server_address}" : ""
  secrets = {
    licence                       = var.licence
    config-patch                  = var.config_patch
    database                      = local.database_url
    database-replicas             = join(" ", local.replica_urls)
    database-of-postgres-exporter = local.exporter_url
  }
}

resource "aws_ssm_parameter" "secret" {
  for_each = local.with_server ? toset(nonsensitive(keys(local.secrets))) : toset([])

  name = "${local.parameters}${each.key}"
  type = "SecureString"
  tier = "Intelligent-Tiering"
  # A parameter is never empty.
  value = "=${local.secrets[each.key]}"
}

resource "aws_s3_bucket" "files" {
  count         = local.with_server ? 1 : 0
  bucket        = "${var.deployment_id}-files"
  force_destroy = true
}

resource "aws_s3_bucket_public_access_block" "files" {
  count                   = local.with_server ? 1 : 0
  bucket                  = aws_s3_bucket.files[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_object" "board" {
  count   = local.with_metrics && var.grafana_board != "" ? 1 : 0
  bucket  = aws_s3_bucket.files[0].id
  key     = "setup/mmload.json"
  content = var.grafana_board
}

# What the machines of the server may do: read their secrets, use their bucket.
resource "aws_iam_role" "server" {
  count = local.with_server ? 1 : 0
  name  = "${var.deployment_id}-server"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })

  lifecycle {
    precondition {
      condition     = var.app_count == 1 || var.licence != ""
      error_message = "More than one machine with Mattermost needs a licence (TF_VAR_licence): without one they are no cluster."
    }
    precondition {
      condition     = var.database_password != ""
      error_message = "The database needs a password (TF_VAR_database_password)."
    }
    precondition {
      condition     = length(local.subnet_ids) > 1
      error_message = "The database needs subnets in two zones (subnet_ids)."
    }
  }
}

data "aws_caller_identity" "me" {}

data "aws_partition" "this" {}

resource "aws_iam_role_policy" "server" {
  count = local.with_server ? 1 : 0
  name  = "server"
  role  = aws_iam_role.server[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "ssm:GetParameter"
        Resource = "arn:${data.aws_partition.this.partition}:ssm:${var.region}:${data.aws_caller_identity.me.account_id}:parameter${local.parameters}*"
      },
      {
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        Resource = [aws_s3_bucket.files[0].arn, "${aws_s3_bucket.files[0].arn}/*"]
      },
    ]
  })
}

resource "aws_iam_instance_profile" "server" {
  count = local.with_server ? 1 : 0
  name  = "${var.deployment_id}-server"
  role  = aws_iam_role.server[0].name
}

module "app" {
  source = "./host"
  count  = var.app_count

  name               = "${var.name}-app${count.index + 1}"
  role               = "app"
  type               = var.app_type
  ami                = local.images[var.app_type]
  disk_gib           = 20
  subnet_id          = local.subnet_ids[0]
  security_group_ids = [aws_security_group.hosts.id]
  key_name           = aws_key_pair.owner.key_name
  public_address     = var.public_addresses
  instance_profile   = aws_iam_instance_profile.server[0].name
  settings = {
    SSH_HOST_KEY = var.ssh_host_key
    REGION       = var.region
    PARAMETERS   = local.parameters
    BUCKET       = aws_s3_bucket.files[0].id
    PACKAGE      = var.mattermost_image == "" ? var.mattermost_package : ""
    IMAGE        = var.mattermost_image
    CLUSTER      = var.app_count > 1 ? var.deployment_id : ""
    # The proxy's address is not known before it is there where only private ones are used.
    SITE_URL = var.public_addresses ? "http://${aws_eip.proxy[0].public_dns}" : ""
  }

  depends_on = [aws_iam_role_policy.server, aws_ssm_parameter.secret]
}

module "proxy" {
  source = "./host"
  count  = local.with_server ? 1 : 0

  name               = "${var.name}-proxy"
  role               = "proxy"
  type               = var.proxy_type
  ami                = local.images[var.proxy_type]
  disk_gib           = 20
  subnet_id          = local.subnet_ids[0]
  security_group_ids = [aws_security_group.hosts.id, aws_security_group.web["proxy"].id]
  key_name           = aws_key_pair.owner.key_name
  public_address     = var.public_addresses
  settings = {
    SSH_HOST_KEY  = var.ssh_host_key
    APP_ADDRESSES = join(" ", module.app[*].private_address)
    NGINX_SITE    = file("${path.module}/scripts/nginx-site.conf")
  }
}

# Its name is known before the machine is there; see server_address.
resource "aws_eip" "proxy" {
  count  = local.with_server && var.public_addresses ? 1 : 0
  domain = "vpc"

  depends_on = [aws_internet_gateway.own]
}

resource "aws_eip_association" "proxy" {
  count         = length(aws_eip.proxy)
  allocation_id = aws_eip.proxy[0].id
  instance_id   = module.proxy[0].id
}

module "metrics" {
  source = "./host"
  count  = local.with_metrics ? 1 : 0

  name               = "${var.name}-metrics"
  role               = "metrics"
  type               = var.metrics_type
  ami                = local.images[var.metrics_type]
  disk_gib           = 30
  subnet_id          = local.subnet_ids[0]
  security_group_ids = [aws_security_group.hosts.id, aws_security_group.web["metrics"].id]
  key_name           = aws_key_pair.owner.key_name
  public_address     = var.public_addresses
  instance_profile   = aws_iam_instance_profile.server[0].name
  settings = {
    SSH_HOST_KEY    = var.ssh_host_key
    REGION          = var.region
    PARAMETERS      = local.parameters
    BOARD           = one(aws_s3_object.board[*].key) == null ? "" : "s3://${aws_s3_bucket.files[0].id}/${aws_s3_object.board[0].key}"
    APP_ADDRESSES   = join(" ", module.app[*].private_address)
    AGENT_ADDRESSES = join(" ", module.agent[*].private_address)
    PROXY_ADDRESS   = module.proxy[0].private_address
  }

  depends_on = [aws_iam_role_policy.server, aws_ssm_parameter.secret]
}
