"""The configuration: typed, checked, from documents with the peer's names and from the environment.

Every process of a run imports this package: it needs nothing but msgspec and the standard library.
"""

from mmload.config.documents import default_document, load_settings
from mmload.config.environment import environment_name
from mmload.config.files import Credential, read_credentials
from mmload.config.printing import shown
from mmload.config.tables import (
    BrowserSettings,
    ChannelMembers,
    Config,
    ConnectionSettings,
    Controller,
    DeviceShare,
    GenController,
    Instance,
    Rate,
    RunSettings,
    Settings,
    SimpleAction,
    SimpleController,
    SimulController,
    Users,
)

__all__ = [
    "BrowserSettings",
    "ChannelMembers",
    "Config",
    "ConnectionSettings",
    "Controller",
    "Credential",
    "DeviceShare",
    "GenController",
    "Instance",
    "Rate",
    "RunSettings",
    "Settings",
    "SimpleAction",
    "SimpleController",
    "SimulController",
    "Users",
    "default_document",
    "environment_name",
    "load_settings",
    "read_credentials",
    "shown",
]
