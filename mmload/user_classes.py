"""Which kinds of users run: by name on Locust's command line, by its class picker, else as the configuration says.

Pure. Locust drops classes of weight 0 when it starts, so the weights are decided when the locustfile is imported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from mmload.config import Settings

# A fixed number of them (BrowserConfiguration.Users), beside those of the configured type.
BROWSER_USER = "BrowserUser"
# UserControllerConfiguration.Type of each class; `noop` is the peer's name of `idle`.
CLASSES: Mapping[str, tuple[str, ...]] = {
    "SimulatedUser": ("simulative",),
    "SimpleUser": ("simple",),
    "IdleUser": ("idle", "noop"),
    "ClusterUser": ("cluster",),
    "GenerateUser": ("generative",),
    BROWSER_USER: (),
}
_NAMED_IN_JSON = re.compile(r'"user_class_name"\s*:\s*"(\w+)"')
# A worker is told by its master which classes to run, and the picker shows only what is there.
_ALL_OPTIONS = frozenset({"--worker", "--class-picker", "--list", "-l"})
_ALL_VARIABLES = ("LOCUST_MODE_WORKER", "LOCUST_USERCLASS_PICKER", "LOCUST_CLASS_PICKER")
_WORKER = (frozenset({"--worker"}), ("LOCUST_MODE_WORKER",))
_TEAMLESS = frozenset({"ClusterUser", "GenerateUser"})
_TRUE = frozenset({"1", "true", "yes", "on"})


def weights(type_: str, arguments: Sequence[str], environ: Mapping[str, str], browser_users: int = 0) -> dict[str, int]:
    """The weight of each class: 1 of those that may run, 0 of the others. `arguments` is Locust's command line."""
    named = _named(arguments, environ)
    browsers = browser_users > 0 or BROWSER_USER in named or _says(*_WORKER, arguments, environ)
    if named - {BROWSER_USER} or (named and not browser_users):
        found = {name: int(name in named) for name in CLASSES}
    elif _says(_ALL_OPTIONS, _ALL_VARIABLES, arguments, environ):
        found = dict.fromkeys(CLASSES, 1)
    else:
        found = {name: int(type_ in types) for name, types in CLASSES.items()}
    return {**found, BROWSER_USER: int(browsers)}


def _says(
    options: frozenset[str], variables: Sequence[str], arguments: Sequence[str], environ: Mapping[str, str]
) -> bool:
    return bool(options & set(arguments)) or any(environ.get(name, "").lower() in _TRUE for name in variables)


def some_need_a_team(type_: str, arguments: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether any of the users that run joins a team: those of the console and those that fill a server do not."""
    return any(weight and name not in _TEAMLESS for name, weight in weights(type_, arguments, environ).items())


def for_these_users(settings: Settings, arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """What a check of the server goes by when the users that run are named otherwise than by the configured type."""
    controller = settings.config.controller
    if some_need_a_team(controller.type, arguments, environ):
        return settings
    return replace(settings, config=replace(settings.config, controller=replace(controller, type="generative")))


def _named(arguments: Sequence[str], environ: Mapping[str, str]) -> set[str]:
    """Our classes that the command line, `LOCUST_USER_CLASSES` or `--config-users` name."""
    words = {*arguments, *re.split(r"[\s,\[\]'\"]+", environ.get("LOCUST_USER_CLASSES", ""))}
    for argument in arguments:
        words.update(_NAMED_IN_JSON.findall(argument))
    return words & set(CLASSES)
