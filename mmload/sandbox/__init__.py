"""A stand-in Mattermost server in one process with its state in memory: for demonstrations and tests only.

It answers as recorded from real servers (6.7 and 11.6), and says nothing about Mattermost's performance.
Only `mmload.cli` (and tests and benchmarks) import it; it knows nothing of the load generator.
"""
