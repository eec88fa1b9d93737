"""The settings that `mmload init` and `mmload doctor` work with: the configuration, and their options on top."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping

from mmload.config import Settings, environment_name, load_settings
from mmload.errors import ConfigurationError, UsageError

SERVER = environment_name("ConnectionConfiguration", "ServerURL")
WEBSOCKET = environment_name("ConnectionConfiguration", "WebSocketURL")
UNSUPPORTED = environment_name("ConnectionConfiguration", "AllowUnsupportedServer")


def settings_for(args: argparse.Namespace) -> Settings:
    """The settings in force; notices about them go to stderr. Raises `ConfigurationError` and `UsageError`."""
    variables = overrides(args)
    try:
        settings, notices = load_settings(config=args.config, environ={**os.environ, **variables})
    except ConfigurationError as error:
        raise ConfigurationError(*_in_words_of_options(error.problems, variables)) from None
    for notice in notices:
        print(f"mmload {args.command}: {notice}", file=sys.stderr)
    return settings


def _in_words_of_options(problems: Iterable[str], variables: Mapping[str, str]) -> list[str]:
    """Options travel as variables; a complaint about one should name what was typed, and once. Pure."""
    typed = [problem for problem in problems if not (WEBSOCKET in variables and problem.startswith(WEBSOCKET))]
    return [problem.replace(SERVER, "--server") for problem in typed]


def overrides(args: argparse.Namespace) -> Mapping[str, str]:
    """The options as the environment variables that say the same. Pure."""
    variables = {}
    if args.server is not None:
        if not args.server.startswith(("http://", "https://")):
            raise UsageError(f"--server {args.server!r}: expected a URL such as http://localhost:8065")
        variables[SERVER] = args.server
        variables[WEBSOCKET] = "ws" + args.server.removeprefix("http")
    if args.allow_unsupported_server:
        variables[UNSUPPORTED] = "true"
    return variables
