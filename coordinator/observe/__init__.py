"""What the server does while users are added: where its time goes, and so why a limit was crossed. All optional."""
