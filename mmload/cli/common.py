"""What the commands share: options and the settings they mean, the check of the server, output."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmload.config import Settings, environment_name, load_settings
from mmload.config.environment import DOCUMENT_VARIABLES
from mmload.config.fields import seconds_of
from mmload.errors import ConfigurationError, ExitCode, ServerNotReady, UsageError
from mmload.printable import harmless
from mmload.results.model import Facts, Server, without_credentials
from mmload.session_file import told

if TYPE_CHECKING:
    from mmload.population.readiness import ServerFacts

DOCUMENTS = ("config", "simulcontroller", "simplecontroller", "gencontroller")
LOGIN_SHARE = environment_name("UsersConfiguration", "LoginShare")
SESSIONS_FOLDER = environment_name("RunConfiguration", "SessionsFolder")
SERVER_URL = environment_name("ConnectionConfiguration", "ServerURL")
WEBSOCKET_URL = environment_name("ConnectionConfiguration", "WebSocketURL")
# Options that set a key travel as environment variables: those reach every process of a run.
OPTION_VARIABLES: Mapping[str, str] = {
    **{name: DOCUMENT_VARIABLES[name] for name in DOCUMENTS},
    "allow_unsupported_server": environment_name("ConnectionConfiguration", "AllowUnsupportedServer"),
    "seed": environment_name("RunConfiguration", "Seed"),
    "name": environment_name("RunConfiguration", "Name"),
    "runs_folder": environment_name("RunConfiguration", "RunsFolder"),
    "run_time": environment_name("RunConfiguration", "RunTimeSec"),
    "stages": environment_name("RunConfiguration", "Stages"),
    "spawn_rate": environment_name("RunConfiguration", "SpawnRate"),
    "threshold": environment_name("RunConfiguration", "Thresholds"),
    "browser_users": environment_name("BrowserConfiguration", "Users"),
    **{name: environment_name("InstanceConfiguration", f"Num{name}") for name in "users teams channels posts".split()},
}
# Those that mean the same in every command that has them.
_SHARED_OPTIONS = (*DOCUMENTS, "allow_unsupported_server", "seed", "name", "runs_folder")


def add_server_option(parser: Any) -> None:
    parser.add_argument(
        "--server", metavar="URL", help="address of the Mattermost server (ConnectionConfiguration.ServerURL)"
    )


def add_document_options(parser: argparse.ArgumentParser, names: Iterable[str] = DOCUMENTS) -> None:
    for name in names:
        parser.add_argument(
            f"--{name}", metavar="FILE", help=f"the {name} document, JSON or TOML (default: config/{name}.json)"
        )


def add_unsupported_server_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-unsupported-server", action="store_true", help="accept a server outside Mattermost 6.7 to 11.x"
    )


def add_report_options(parser: argparse.ArgumentParser, forms: Mapping[str, str]) -> None:
    group = parser.add_mutually_exclusive_group()
    for name, meaning in forms.items():
        group.add_argument(f"--{name}", dest="form", action="store_const", const=name, help=meaning)
    parser.add_argument("--output", metavar="FILE", type=Path, help="write to this file (-: to the terminal)")
    parser.add_argument(
        "--runs-folder", metavar="DIR", type=Path, help="parent folder of the runs (default: as configured)"
    )


def runs_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the configuration puts runs."""
    return Path(load_settings(environ)[0].config.run.runs_folder)


def within_seconds(text: str) -> float:
    """Of `--within`: seconds from the forms of `mmload run --run-time`, and 0. Pure."""
    return 0.0 if text in ("0", "0s") else float(seconds_of("--within", text))


def whole_number(least: int) -> Callable[[str], int]:
    """The argparse type of a number that is not below `least`."""

    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {least} or more")
        return int(text)

    return number


def settings_of(command: str, args: argparse.Namespace, *more: str) -> Settings:
    """The settings in force under the options of a command (`overrides`)."""
    typed = overrides(args, *more)
    return settings_in_force(command, {**os.environ, **typed}, typed)


def overrides(args: argparse.Namespace, *more: str) -> dict[str, str]:
    """The options that were given as the environment variables that set the same keys. Pure.

    `more` names options of OPTION_VARIABLES that mean something else in other commands.
    """
    given = vars(args)
    variables = server_variables(args.server) if given.get("server") is not None else {}
    for option in (*_SHARED_OPTIONS, *more):
        value = given.get(option)
        if option != "name" and any(isinstance(each, str) and not each.strip() for each in _each(value)):
            raise UsageError(f"--{option.replace('_', '-')}: the value is empty (is a shell variable not set?)")
        if isinstance(value, list):
            variables[OPTION_VARIABLES[option]] = ";".join(value)
        elif value is not None and value is not False:
            variables[OPTION_VARIABLES[option]] = str(value).lower() if value is True else str(value)
    return variables


def _each(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else (value,)


def server_variables(url: str) -> dict[str, str]:
    """The variables of a server's address: another server has another WebSocket, too. Pure."""
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--server {url!r}: expected a URL such as http://localhost:8065")
    return {SERVER_URL: url, WEBSOCKET_URL: "ws" + url.removeprefix("http")}


def settings_in_force(command: str, environ: Mapping[str, str], typed: Iterable[str] = ()) -> Settings:
    """The settings; notices about them go to stderr. `typed` are the variables that options have set."""
    try:
        settings, notices = load_settings(environ=environ)
    except ConfigurationError as error:
        raise ConfigurationError(*in_words_of_options(error.problems, typed)) from None
    for notice in notices:
        say(command, notice)
    return settings


def in_words_of_options(problems: Iterable[str], typed: Iterable[str]) -> list[str]:
    """Complaints about variables that options have set name the options, each once. Pure."""
    typed = set(typed)
    names = {variable: f"--{option.replace('_', '-')}" for option, variable in OPTION_VARIABLES.items()}
    names[SERVER_URL] = "--server"
    told = [problem for problem in problems if not (SERVER_URL in typed and problem.startswith(WEBSOCKET_URL))]
    for variable in typed & set(names):
        told = [problem.replace(variable, names[variable]) for problem in told]
    return told


def examined_server(command: str, settings: Settings, users: int, processes: int = 1, *, checked: bool = True) -> Facts:
    """What is known of the server and of what it holds; warnings go to stderr.

    Raises `ServerNotReady` if it is not ready for this number of users, `ConfigurationError` if our settings are why.
    """
    url = settings.config.connection.server_url
    if not checked:
        return Facts(server=Server(url=without_credentials(url)))
    known = examined(command, settings, users, processes)
    return Facts(server=known.record, population=known.population)


def examined(command: str, settings: Settings, users: int, processes: int = 1) -> ServerFacts:
    """As `examined_server`, with all that is known."""
    # Imports requests: only those who check pay for it.
    from mmload.population.readiness import examine_quickly, exit_code

    examination = examine_quickly(settings, users, processes)
    if examination.errors:
        refusals = [finding.sentence for finding in examination.errors]
        if exit_code(examination) is ExitCode.CONFIGURATION_REFUSED:
            raise ConfigurationError(*refusals)
        raise ServerNotReady("\n".join(refusals))
    for finding in examination.findings:
        if finding.level == "warning":
            say(command, finding.sentence)
    assert examination.server is not None, "a server that does not answer is an error"
    return examination.server


def tell_sessions(command: str, settings: Settings, users: int) -> int:
    """How these users come in: with a session that is kept (of how many), or by password.

    ConfigurationError: the file is refused.
    """
    # Imports what makes accounts: only those who start users pay for it.
    from mmload.client.kept_sessions import kept_for

    share = settings.config.users.login_share
    kept = kept_for(settings, users)[0] if share < 1 else 0
    say(command, told(kept, share, users))
    return kept


def say(command: str, text: str) -> None:
    """A line to the person who typed the command: on stderr, results go to stdout."""
    # In one piece: several threads may have something to say.
    print(harmless(f"mmload {command}: {text}\n"), end="", file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """The result of a command for scripts, on stdout."""
    print(harmless(json.dumps(value, indent=2, ensure_ascii=False)), flush=True)


def refuse_existing(paths: Iterable[Path], *, force: bool, otherwise: str = "") -> None:
    """`UsageError` where a file would be overwritten unasked."""
    there = [str(path) for path in paths if path.exists() or path.is_symlink()]
    if there and not force:
        raise UsageError(f"already exists: {', '.join(there)} (use --force to overwrite{otherwise})")


def write_files(folder: Path, contents: Mapping[str, bytes], written: Callable[[Path], object]) -> None:
    """Several files into a folder, which is made; `written` hears of each."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
            written(folder / name)
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: cannot be written: {error.strerror}") from None


def wants_colour() -> bool:
    """Whether stdout is a terminal whose owner did not decline colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def write_text(text: str, output: Path | None) -> None:
    """To a file, whose path is printed, or to stdout (None or -)."""
    if output is None or str(output) == "-":
        print(harmless(text), end="", flush=True)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
    print(output, flush=True)
