"""What a server holds before a load test: `mmload init` makes it, `mmload doctor` examines it."""
