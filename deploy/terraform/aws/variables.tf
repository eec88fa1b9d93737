# What is made, whose it is, and until when.

variable "name" {
  description = "Beginning of the names of everything."
  type        = string
  default     = "mmload"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.name)) && !endswith(var.name, "-")
    error_message = "A name has 1 to 20 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "deployment_id" {
  description = "Tag mmload-deployment of everything: unique, so that nothing is lost track of. Also part of the bucket's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9-]{4,40}$", var.deployment_id))
    error_message = "An id has 4 to 40 lower-case letters, digits and hyphens."
  }
}

variable "owner" {
  description = "Who is asked when something is left (tag owner)."
  type        = string

  validation {
    condition     = length(var.owner) > 0
    error_message = "Somebody has to own it."
  }
}

variable "expires_at" {
  description = "When the machines end by themselves, such as 2026-11-27T14:00:00Z (tag expires-at). May be changed at any time."
  type        = string

  validation {
    condition     = can(formatdate("YYYY", var.expires_at)) && endswith(var.expires_at, "Z")
    error_message = "Expected a time in UTC such as 2026-11-27T14:00:00Z."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "us-east-1"
}

variable "profile" {
  description = "Profile of ~/.aws/config; null: whatever the environment says."
  type        = string
  default     = null
}

variable "ami" {
  description = "Image of all machines; null: the newest Debian 12. Another one has to be a Debian or Ubuntu."
  type        = string
  default     = null
}

# The network.

variable "allow" {
  description = "From where machines may be reached (CIDR blocks): your own address."
  type        = list(string)

  validation {
    condition     = length(var.allow) > 0 && alltrue([for each in var.allow : can(cidrhost(each, 0))])
    error_message = "Expected CIDR blocks such as 203.0.113.7/32."
  }
  validation {
    condition     = alltrue([for each in var.allow : tonumber(split("/", each)[1]) >= 8])
    error_message = "The whole internet is not let in: name your own address."
  }
}

variable "subnet_ids" {
  description = "Existing subnets: machines are in the first one, the database in all (two zones or more). Empty: a VPC is made."
  type        = list(string)
  default     = []
}

variable "public_addresses" {
  description = "Whether machines are reached by public addresses; false: by private ones (a VPN, a peered VPC)."
  type        = bool
  default     = true
}

variable "ssh_public_key" {
  description = "The public key that is let in."
  type        = string
}

variable "ssh_host_key" {
  description = "Private Ed25519 key by which all machines are known (OpenSSH's format); empty: each makes its own."
  type        = string
  default     = ""
  sensitive   = true
}

# Machines for load.

variable "agent_count" {
  type    = number
  default = 2

  validation {
    condition     = var.agent_count >= 0 && var.agent_count <= 100
    error_message = "Expected 0 to 100 machines."
  }
}

variable "agent_type" {
  type    = string
  default = "c7i.xlarge"
}

variable "agent_disk_gib" {
  type    = number
  default = 10
}

variable "spot" {
  description = "Whether agents are spot instances: cheaper, and AWS may end them at any moment."
  type        = bool
  default     = false
}

# The server under test; 0: there is one already.

variable "app_count" {
  description = "Machines with Mattermost. More than one needs a licence."
  type        = number
  default     = 0

  validation {
    condition     = var.app_count >= 0 && var.app_count <= 20
    error_message = "Expected 0 to 20 machines."
  }
}

variable "app_type" {
  type    = string
  default = "c7i.xlarge"
}

variable "mattermost_package" {
  description = "Address of the archive (tar.gz) for Linux."
  type        = string
  default     = "https://releases.mattermost.com/11.6.0/mattermost-11.6.0-linux-amd64.tar.gz"
}

variable "mattermost_image" {
  description = "A container image in place of the archive, such as mattermost/mattermost-enterprise-edition:11.6.0."
  type        = string
  default     = ""
}

variable "licence" {
  description = "Content of the licence file. By environment: TF_VAR_licence."
  type        = string
  default     = ""
  sensitive   = true
}

variable "config_patch" {
  description = "Part of Mattermost's config.json (JSON) that holds in place of ours. By environment: TF_VAR_config_patch."
  type        = string
  default     = "{}"
  sensitive   = true

  validation {
    condition     = can(keys(jsondecode(var.config_patch)))
    error_message = "Expected an object of JSON."
  }
}

variable "database_engine" {
  description = "rds (PostgreSQL on one instance) or aurora (a writer, and readers)."
  type        = string
  default     = "rds"

  validation {
    condition     = contains(["rds", "aurora"], var.database_engine)
    error_message = "Expected rds or aurora."
  }
}

variable "database_type" {
  type    = string
  default = "db.r7g.large"
}

variable "database_count" {
  description = "Instances of an Aurora cluster: the first one writes. Readers are used with a licence."
  type        = number
  default     = 1

  validation {
    condition     = var.database_count >= 1 && var.database_count <= 16
    error_message = "Expected 1 to 16 instances."
  }
}

variable "database_version" {
  type    = string
  default = "16.6"
}

variable "database_disk_gib" {
  description = "Disk of rds; Aurora's grows by itself."
  type        = number
  default     = 100
}

variable "database_password" {
  description = "By environment: TF_VAR_database_password. Letters and digits."
  type        = string
  default     = ""
  sensitive   = true

  validation {
    condition     = can(regex("^([A-Za-z0-9]{16,64})?$", var.database_password))
    error_message = "Expected 16 to 64 letters and digits."
  }
}

variable "proxy_type" {
  type    = string
  default = "c7i.xlarge"
}

variable "metrics" {
  description = "Whether the server under test gets a machine with Prometheus and Grafana."
  type        = bool
  default     = true
}

variable "metrics_type" {
  type    = string
  default = "t3.large"
}

variable "grafana_board" {
  description = "Content of a board for Grafana (config/grafana/mmload.json); empty: none."
  type        = string
  default     = ""
}
