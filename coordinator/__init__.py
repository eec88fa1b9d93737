"""The coordinator: changes the number of users until the server's limit is known."""
