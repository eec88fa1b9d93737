# One machine: what all of them have in common.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "name" { type = string }
variable "type" { type = string }
variable "ami" { type = string }
variable "disk_gib" { type = number }
variable "subnet_id" { type = string }
variable "security_group_ids" { type = list(string) }
variable "key_name" { type = string }
variable "public_address" { type = bool }

variable "spot" {
  type    = bool
  default = false
}

variable "instance_profile" {
  type    = string
  default = null
}

variable "role" {
  description = "Its script."
  type        = string
}

variable "settings" {
  description = "Variables of its script; they stand before it."
  type        = map(string)
}

resource "aws_instance" "this" {
  ami                         = var.ami
  instance_type               = var.type
  key_name                    = var.key_name
  subnet_id                   = var.subnet_id
  vpc_security_group_ids      = var.security_group_ids
  associate_public_ip_address = var.public_address
  iam_instance_profile        = var.instance_profile
  # It ends itself when its time has come (scripts/common.sh), and is gone then.
  instance_initiated_shutdown_behavior = "terminate"
  user_data_replace_on_change          = true
  user_data = join("", concat(
    ["#!/bin/bash\n"],
    [for key, value in var.settings : "${key}='${replace(value, "'", "'\\''")}'\n"],
    [for each in ["common", var.role] : file("${path.module}/../scripts/${each}.sh")],
  ))

  dynamic "instance_market_options" {
    for_each = var.spot ? [1] : []
    content {
      market_type = "spot"
    }
  }

  metadata_options {
    http_tokens            = "required"
    instance_metadata_tags = "enabled"
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = var.disk_gib
    encrypted   = true
  }

  tags = { Name = var.name }

  lifecycle {
    # A newer image replaces no machine that runs.
    ignore_changes = [ami]
  }
}

output "id" {
  value = aws_instance.this.id
}

output "private_address" {
  value = aws_instance.this.private_ip
}

output "address" {
  value = var.public_address ? aws_instance.this.public_ip : aws_instance.this.private_ip
}
