terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region  = var.region
  profile = var.profile

  # By these tags everything is found again, and known to whom it belongs.
  default_tags {
    tags = {
      Name                = var.name
      "mmload-deployment" = var.deployment_id
      owner               = var.owner
      "expires-at"        = var.expires_at
    }
  }
}
