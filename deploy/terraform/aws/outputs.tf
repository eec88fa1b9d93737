output "hosts" {
  description = "Address of each machine."
  value = merge(
    { for number, each in module.agent : "agent${number + 1}" => each.address },
    { for number, each in module.app : "app${number + 1}" => each.address },
    { for each in module.proxy : "proxy" => one(concat(aws_eip.proxy[*].public_ip, var.public_addresses ? [] : [each.address])) },
    { for each in module.metrics : "metrics" => each.address },
  )
}

output "server_url" {
  description = "Of the server under test; empty without one."
  value       = local.server_url
}

output "database_password" {
  value     = var.database_password
  sensitive = true
}
