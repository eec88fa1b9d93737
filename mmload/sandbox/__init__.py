"""A stand-in Mattermost server in one process, its state in memory: for demonstrations and tests only.

It answers as the recordings of real servers (6.7 and 11.6) do, and is never a measure of Mattermost's speed.
"""
