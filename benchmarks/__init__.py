"""Claims of speed, each a command: `python -m benchmarks NAME`. Their current output is in docs/performance.md."""
