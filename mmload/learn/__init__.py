"""What a server's own people do, read from its logs or its metrics, as a configuration of mmload. Knows no Locust."""
