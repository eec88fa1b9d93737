"""What Locust loads: `locust -f locustfile.py`, or `mmload run`. Names the user classes and wires the listeners."""

import os
import sys

from locust import events

from mmload.browser_user import BrowserUser
from mmload.plugin.setup import wire
from mmload.user_classes import weights
from mmload.users import ClusterUser, GenerateUser, IdleUser, SimpleUser, SimulatedUser

__all__ = ["BrowserUser", "ClusterUser", "GenerateUser", "IdleUser", "SimpleUser", "SimulatedUser"]

settings = wire(events)
BrowserUser.fixed_count = settings.config.browser.users
for name, weight in weights(settings.config.controller.type, sys.argv[1:], os.environ, BrowserUser.fixed_count).items():
    globals()[name].weight = weight
