"""Load from other machines, reached by OpenSSH's own `ssh`: an environment is copied there, workers run in it."""
