# Machines for load, and what all machines need.

locals {
  types = toset(concat(
    var.agent_count > 0 ? [var.agent_type] : [],
    local.with_server ? [var.app_type, var.proxy_type] : [],
    local.with_metrics ? [var.metrics_type] : [],
  ))
  architectures = {
    for name, each in data.aws_ec2_instance_type.used : name => contains(each.supported_architectures, "x86_64") ? "amd64" : "arm64"
  }
  images = {
    for name, architecture in local.architectures : name => var.ami != null ? var.ami : data.aws_ami.debian[architecture].id
  }
}

data "aws_ec2_instance_type" "used" {
  for_each      = local.types
  instance_type = each.value
}

data "aws_ami" "debian" {
  for_each    = toset(var.ami != null ? [] : values(local.architectures))
  owners      = ["136693071363"] # Debian
  most_recent = true

  filter {
    name   = "name"
    values = ["debian-12-${each.value}-*"]
  }
}

resource "aws_key_pair" "owner" {
  key_name   = var.deployment_id
  public_key = var.ssh_public_key
}

module "agent" {
  source = "./host"
  count  = var.agent_count

  name               = "${var.name}-agent${count.index + 1}"
  role               = "agent"
  type               = var.agent_type
  ami                = local.images[var.agent_type]
  disk_gib           = var.agent_disk_gib
  spot               = var.spot
  subnet_id          = local.subnet_ids[0]
  security_group_ids = [aws_security_group.hosts.id]
  key_name           = aws_key_pair.owner.key_name
  public_address     = var.public_addresses
  settings           = { SSH_HOST_KEY = var.ssh_host_key }
}
