"""Settings given to an agent at run time: put in force here, and on all workers, for the users that start after it."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import msgspec
from locust import User
from locust.runners import MasterRunner, WorkerRunner

from mmload import users
from mmload.config import Settings, load_settings
from mmload.config.loading import adopt, adopted
from mmload.user_classes import CLASSES

if TYPE_CHECKING:
    from locust.env import Environment

log = logging.getLogger("mmload.adoption")

# Master to worker: the settings in force, with their passwords, or None for the worker's own.
MESSAGE = "mmload_settings"


class Adoption:
    """What this process was started with, and what it was given in its place."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._own_host = environment.host
        self._own_classes: list[type[User]] | None = None
        if isinstance(environment.runner, WorkerRunner):
            environment.runner.register_message(MESSAGE, self._on_message)

    @property
    def own(self) -> Settings:
        """What the documents and the environment of this process say, whatever it was given."""
        return load_settings(environ=dict(os.environ))[0]

    def adopt(self, settings: Settings | None) -> None:
        """Put these settings in force, here and on the workers; None: the own ones again."""
        self.adopt_here(settings)
        if isinstance(self._environment.runner, MasterRunner):
            self._environment.runner.send_message(MESSAGE, wire())

    def adopt_here(self, settings: Settings | None) -> None:
        """The same, in this process alone."""
        adopt(settings)
        environment = self._environment
        environment.host = self._own_host if settings is None else settings.config.connection.server_url
        users.MattermostUser.host = load_settings()[0].config.connection.server_url
        self._use_class(None if settings is None else settings.config.controller.type)
        users.renew_host(environment)

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
            log.warning("the users stay those of the locustfile: UserControllerConfiguration.Type is not used")
            return
        wanted.weight = 1
        others = [each for each in environment.user_classes if each is not wanted]
        # A worker is told by its master which of its classes to run.
        environment.user_classes = [wanted, *others] if isinstance(environment.runner, WorkerRunner) else [wanted]

    def _on_message(self, msg: Any, **_: Any) -> None:
        self.adopt_here(None if msg.data is None else msgspec.convert(msg.data, Settings))


def class_of(behaviour: str) -> type[User]:
    """Our class of users for a UserControllerConfiguration.Type."""
    name = next(name for name, types in CLASSES.items() if behaviour in types)
    found: type[User] = getattr(users, name)
    return found


def is_ours(user_class: type[User]) -> bool:
    """Whether it is one of mmload's own classes, not one of somebody's locustfile."""
    return user_class.__name__ in CLASSES and user_class is getattr(users, user_class.__name__)


def wire() -> Any:
    """The settings that this process was given, for a message; they hold passwords, so nothing may log them."""
    given = adopted()
    # Plain lists and texts: Locust's messages know no others.
    return None if given is None else msgspec.json.decode(msgspec.json.encode(given))
