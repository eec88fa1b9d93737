"""What Locust loads: `locust -f locustfile.py`, or `mmload run`. Names the user classes and wires the listeners."""

import os
import sys

from locust import events

from mmload.agent.wiring import wire
from mmload.choosing import weights
from mmload.config import load_settings
from mmload.users import ClusterUser, GenerateUser, IdleUser, SimpleUser, SimulatedUser

__all__ = ["ClusterUser", "GenerateUser", "IdleUser", "SimpleUser", "SimulatedUser"]

wire(events)
for name, weight in weights(load_settings()[0].config.controller.type, sys.argv[1:], os.environ).items():
    globals()[name].weight = weight
