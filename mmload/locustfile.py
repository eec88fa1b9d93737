"""What Locust loads: `locust -f locustfile.py`, or `mmload run`. Names the user classes and wires the listeners."""

import os
import sys

from locust import events

from mmload.plugin.setup import wire
from mmload.user_classes import weights
from mmload.users import ClusterUser, GenerateUser, IdleUser, SimpleUser, SimulatedUser

__all__ = ["ClusterUser", "GenerateUser", "IdleUser", "SimpleUser", "SimulatedUser"]

settings = wire(events)
for name, weight in weights(settings.config.controller.type, sys.argv[1:], os.environ).items():
    globals()[name].weight = weight
