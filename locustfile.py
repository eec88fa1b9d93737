"""Load tests for Mattermost: `locust -f locustfile.py`. Settings: config/*.json and MMLOAD_… (docs/configuration.md)."""

from mmload.locustfile import SimulatedUser

__all__ = ["SimulatedUser"]
