"""What Locust loads: `locust -f locustfile.py`, or `mmload run`. Names the user classes and wires the listeners."""

from locust import events

from mmload.agent.wiring import wire
from mmload.users import SimulatedUser

__all__ = ["SimulatedUser"]

wire(events)
