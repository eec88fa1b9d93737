# A VPC of its own, or subnets that are there. Only the caller's address gets in.

locals {
  own_network = length(var.subnet_ids) == 0
  with_server = var.app_count > 0
  subnet_ids  = local.own_network ? aws_subnet.own[*].id : var.subnet_ids
  vpc_id      = local.own_network ? aws_vpc.own[0].id : data.aws_subnet.given[0].vpc_id
}

data "aws_subnet" "given" {
  count = local.own_network ? 0 : 1
  id    = var.subnet_ids[0]
}

data "aws_availability_zones" "here" {
  count = local.own_network ? 1 : 0
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

resource "aws_vpc" "own" {
  count                = local.own_network ? 1 : 0
  cidr_block           = "10.65.0.0/16"
  enable_dns_support   = true
  enable_dns_hostnames = true
}

# A database wants two zones.
resource "aws_subnet" "own" {
  count             = local.own_network ? (local.with_server ? 2 : 1) : 0
  vpc_id            = aws_vpc.own[0].id
  cidr_block        = cidrsubnet(aws_vpc.own[0].cidr_block, 4, count.index)
  availability_zone = data.aws_availability_zones.here[0].names[count.index]
}

resource "aws_internet_gateway" "own" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.own[0].id
}

resource "aws_route_table" "own" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.own[0].id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.own[0].id
  }
}

resource "aws_route_table_association" "own" {
  count          = length(aws_subnet.own)
  subnet_id      = aws_subnet.own[count.index].id
  route_table_id = aws_route_table.own[0].id
}

# Machines among each other, and SSH from the caller.
resource "aws_security_group" "hosts" {
  name        = "${var.deployment_id}-hosts"
  description = "Machines of ${var.name}: SSH from its owner"
  vpc_id      = local.vpc_id

  ingress {
    description = "SSH"
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = var.allow
  }

  ingress {
    description = "among each other"
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    self        = true
  }

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

# Web pages for the caller: of Mattermost, of Grafana and Prometheus.
resource "aws_security_group" "web" {
  for_each = local.with_server ? { for name, ports in { proxy = [80], metrics = [3000, 9090] } : name => ports if name == "proxy" || var.metrics } : {}

  name        = "${var.deployment_id}-${each.key}"
  description = "Web pages of ${var.name} for its owner"
  vpc_id      = local.vpc_id

  dynamic "ingress" {
    for_each = each.value
    content {
      from_port   = ingress.value
      to_port     = ingress.value
      protocol    = "tcp"
      cidr_blocks = var.allow
    }
  }
}

resource "aws_security_group" "database" {
  count       = local.with_server ? 1 : 0
  name        = "${var.deployment_id}-database"
  description = "The database of ${var.name}, for its machines"
  vpc_id      = local.vpc_id

  ingress {
    from_port       = 5432
    to_port         = 5432
    protocol        = "tcp"
    security_groups = [aws_security_group.hosts.id]
  }
}
