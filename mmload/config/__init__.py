"""The configuration: typed, checked, from documents with the peer's names and from the environment.

Every process of a run imports this package: it needs nothing but msgspec and the standard library.
"""

from mmload.config.documents import default_document
from mmload.config.environment import environment_name
from mmload.config.files import Credential, read_credentials
from mmload.config.loading import load_settings
from mmload.config.printing import fingerprint, from_json, shown, to_json
from mmload.config.tables import (
    ChannelMembers,
    Config,
    Connection,
    Controller,
    GenController,
    Instance,
    Log,
    Rate,
    Run,
    Settings,
    SimpleAction,
    SimpleController,
    SimulController,
    Users,
)

__all__ = [
    "ChannelMembers",
    "Config",
    "Connection",
    "Controller",
    "Credential",
    "GenController",
    "Instance",
    "Log",
    "Rate",
    "Run",
    "Settings",
    "SimpleAction",
    "SimpleController",
    "SimulController",
    "Users",
    "default_document",
    "environment_name",
    "fingerprint",
    "from_json",
    "load_settings",
    "read_credentials",
    "shown",
    "to_json",
]
