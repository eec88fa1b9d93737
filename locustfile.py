"""Load tests for Mattermost: `locust -f locustfile.py`. Settings: config/*.json, MMLOAD_… (docs/configuration.md)."""

from mmload.locustfile import BrowserUser, ClusterUser, GenerateUser, IdleUser, SimpleUser, SimulatedUser

__all__ = ["BrowserUser", "ClusterUser", "GenerateUser", "IdleUser", "SimpleUser", "SimulatedUser"]
