"""The settings of this Locust process: read at its start and before a new test, replaced by an agent's `create`."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from locust import User
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner
from msgspec.structs import replace

from mmload import users
from mmload.config import Config, Settings, environment_name, load_settings
from mmload.config.checking import stage_problems
from mmload.config.credentials import credentials, origin, other_passwords, with_passwords_of
from mmload.config.fields import url
from mmload.config.stages import Stage
from mmload.errors import ConfigurationError
from mmload.plugin.runner.staged_load import picked, shape_of, staged_load
from mmload.user_classes import CLASSES

log = logging.getLogger("mmload.settings")
_HOST = url("http", "https")

# Master to worker: the settings that replace the worker's own, or None for the worker's own.
OVERRIDE = "mmload_settings"


class OwnSettings:
    """What the documents and the environment of this process say. Raises ConfigurationError.

    A seed of 0 means: draw one. It is drawn once, before workers are forked, so that all of them have the same.
    """

    def __init__(self) -> None:
        self._drawn_seed = random.SystemRandom().randrange(1, 2**31)
        self._seed_of_run = 0
        settings, self.notices = load_settings()
        self.settings = self._with_seed(settings)

    def read_again(self) -> Settings:
        """What they say now; not yet in force. Raises ConfigurationError."""
        return self._with_seed(load_settings()[0])

    def use_seed(self, seed: int) -> None:
        """A worker takes its master's: what chance decides about a person follows from the seed."""
        self._seed_of_run = seed
        self.settings = self._with_seed(self.settings)

    def _with_seed(self, settings: Settings) -> Settings:
        run = settings.config.run
        seed = self._seed_of_run or run.seed or self._drawn_seed
        return replace(settings, config=replace(settings.config, run=replace(run, seed=seed)))


class ProcessSettings:
    """The settings in force in a Locust process, and what follows from them: the host, the class of users."""

    def __init__(self, environment: Environment, own: OwnSettings) -> None:
        self.own = own
        self.override: Settings | None = None
        self._environment = environment
        self._own_host = environment.host
        self._own_classes: list[type[User]] | None = None
        # Of the load profile that was picked for the next test.
        self._picked: tuple[Stage, ...] = ()
        # Whether messages between master and workers are encrypted.
        self.is_encrypted = False
        if isinstance(environment.runner, WorkerRunner):
            environment.runner.register_message(OVERRIDE, lambda msg, **_: self.take(msg.data))
        self._use_stages()

    @property
    def in_force(self) -> Settings:
        return self.own.settings if self.override is None else self.override

    def host_problem(self, host: str) -> str:
        """Why a test may not go to this host, which was asked for without credentials; "" if it may."""
        if not host:
            return ""
        if not _HOST.accepts(host):
            return f"host {host!r}: expected {_HOST.expected}"
        connection = self.in_force.config.connection
        given = connection.server_url if self.override else self._own_host or connection.server_url
        if origin(host) in (origin(given), origin(connection.server_url)) or not any(credentials(self.in_force.config)):
            return ""
        return (
            f"host {host!r}: this agent's credentials are for {given}: start an agent for the other server (--host), "
            "or use the agent's API: `create` takes a server with its credentials"
        )

    def use_own(self, settings: Settings) -> None:
        """What the documents say now is in force from the next test on."""
        self.own.settings = settings
        users.AccountUser.host = self.in_force.config.connection.server_url
        self._use_stages()

    def check_stages(self) -> None:
        """ConfigurationError: a threshold names a stage that the next test does not have. For when it is started."""
        shape = shape_of(self._environment)
        thresholds = self.in_force.config.run.thresholds
        if wrong := [*stage_problems(thresholds, shape.stages if shape else ())]:
            raise ConfigurationError(*(f"RunConfiguration.Thresholds: {each}" for each in wrong))

    def pick_profile(self, given: Mapping[str, Any]) -> None:
        """Use the load profile that the start form, or the command line, names. ConfigurationError: it is none."""
        self._picked = picked(given, Path(self.in_force.config.run.profiles_folder))
        self._use_stages()

    def replace(self, override: Settings | None) -> None:
        """Put these settings in force, here and on the workers; None: the own ones again."""
        self.replace_here(override)
        if isinstance(self._environment.runner, MasterRunner):
            self._environment.runner.send_message(OVERRIDE, self.wire())

    def replace_here(self, override: Settings | None) -> None:
        """The same, in this process alone. Users who start from now on go by them."""
        environment = self._environment
        self.override, self._picked = override, ()
        environment.host = self._own_host if override is None else override.config.connection.server_url
        users.AccountUser.host = self.in_force.config.connection.server_url
        self._use_class(None if override is None else override.config.controller.type)
        self._use_stages()
        if getattr(environment, "mmload_context", None) is not None:
            users.new_context(environment, self.in_force)

    def _use_stages(self) -> None:
        """The load shape of the next test; one of the user's own locustfile stays. Workers only do as they are told."""
        environment = self._environment
        is_ours = environment.shape_class is None or shape_of(environment) is not None
        if is_ours and not isinstance(environment.runner, WorkerRunner):
            environment.shape_class = staged_load(self.in_force.config.run, self._picked)

    def wire(self) -> Any:
        """The override for a message, with its passwords only where that is encrypted; nothing may log it."""
        if self.override is None:
            return None
        told = self.override if self.is_encrypted else with_passwords_of(Config(), self.override)
        # Plain lists and texts: Locust's messages know no others.
        return msgspec.json.decode(msgspec.json.encode(told))

    def take(self, wire: Any) -> None:
        """Put an override in force that came with a message; passwords that were left out are this process's own."""
        override = None if wire is None else msgspec.convert(wire, Settings)
        if override is not None and not self.is_encrypted:
            override = with_passwords_of(self.own.settings.config, override)
        self.replace_here(override)

    def unsendable(self, override: Settings) -> str:
        """Why an override cannot be told to the workers, or ""."""
        if self.is_encrypted or not isinstance(self._environment.runner, MasterRunner):
            return ""
        return "; ".join(
            f"{path}: cannot be passed on, as the connection to the workers is not encrypted: start the agent and its "
            f"workers with the same MMLOAD_AGENT_TOKEN, or with this password in {environment_name(*path.split('.'))}"
            for path in other_passwords(override.config, self.own.settings.config)
        )

    def _use_class(self, behaviour: str | None) -> None:
        """The kind of users that the settings name, unless the locustfile or the command line chose their own."""
        environment = self._environment
        if self._own_classes is None:
            self._own_classes = list(environment.user_classes)
        if behaviour is None:
            environment.user_classes = list(self._own_classes)
            return
        wanted = class_of(behaviour)
        if not all(is_ours(each) for each in self._own_classes):
            log.warning("the locustfile sets the user classes: UserControllerConfiguration.Type is not used")
            return
        wanted.weight = 1
        others = [each for each in environment.user_classes if each is not wanted]
        # A worker is told by its master which of its classes to run.
        if not isinstance(environment.runner, WorkerRunner):
            others = [each for each in others if each.fixed_count]
        environment.user_classes = [wanted, *others]


def process_settings(environment: Any) -> ProcessSettings:
    """Those of this environment; there from the first `init` listener on."""
    found: ProcessSettings = environment.mmload_settings
    return found


def settings_of(environment: Any) -> Settings:
    return process_settings(environment).in_force


_OUR_MODULES = ("mmload.users", "mmload.browser_user")


def class_of(behaviour: str) -> type[User]:
    """Our class of users for a UserControllerConfiguration.Type."""
    name = next(name for name, types in CLASSES.items() if behaviour in types)
    found: type[User] = getattr(users, name)
    return found


def is_ours(user_class: type[User]) -> bool:
    """Whether it is one of mmload's own classes, not one of somebody's locustfile."""
    return user_class.__name__ in CLASSES and user_class.__module__ in _OUR_MODULES
