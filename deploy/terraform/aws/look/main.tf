# What there is with the tag of a deployment: asked of AWS itself, not of Terraform's state.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "deployment_id" { type = string }
variable "region" { type = string }

variable "profile" {
  type    = string
  default = null
}

provider "aws" {
  region  = var.region
  profile = var.profile
}

data "aws_resourcegroupstaggingapi_resources" "tagged" {
  tag_filter {
    key    = "mmload-deployment"
    values = [var.deployment_id]
  }
}

# An instance is listed for an hour after its end: those that are not at their end are another matter.
data "aws_instances" "alive" {
  instance_tags        = { "mmload-deployment" = var.deployment_id }
  instance_state_names = ["pending", "running", "stopping", "stopped"]
}

data "aws_ebs_volumes" "disks" {
  tags = { "mmload-deployment" = var.deployment_id }
}

data "aws_db_instances" "databases" {
  tags = { "mmload-deployment" = var.deployment_id }
}

data "aws_eips" "addresses" {
  tags = { "mmload-deployment" = var.deployment_id }
}

output "instances" {
  value = sort(data.aws_instances.alive.ids)
}

output "disks" {
  value = sort(data.aws_ebs_volumes.disks.ids)
}

output "databases" {
  value = sort(data.aws_db_instances.databases.instance_identifiers)
}

output "addresses" {
  value = sort(data.aws_eips.addresses.allocation_ids)
}

output "others" {
  value = sort([
    for each in data.aws_resourcegroupstaggingapi_resources.tagged.resource_tag_mapping_list : each.resource_arn
    if !can(regex(":(instance|volume|elastic-ip)/|:rds:[^:]*:[^:]*:db:", each.resource_arn))
  ])
}
