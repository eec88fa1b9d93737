"""Load tests for Mattermost: `locust -f locustfile.py`. Settings: config/*.json, MMLOAD_… (docs/configuration.md)."""

from mmload.locustfile import ClusterUser, GenerateUser, IdleUser, SimpleUser, SimulatedUser

__all__ = ["ClusterUser", "GenerateUser", "IdleUser", "SimpleUser", "SimulatedUser"]
