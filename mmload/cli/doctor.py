"""`mmload doctor`: find what would make a load test fail before it starts, with the setting to change."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import Any

from msgspec import structs

from coordinator.settings import load
from mmload.browser.checking import PATIENCE, laggards, misfits, try_steps
from mmload.browser.process import BrowserGone
from mmload.browser.start_order import start_order
from mmload.cli.common import (
    add_document_options,
    add_server_option,
    add_unsupported_server_option,
    print_json,
    settings_of,
    wants_colour,
    whole_number,
)
from mmload.client.accounts import accounts
from mmload.config import Settings, read_credentials
from mmload.population.readiness import Examination, Finding, ServerFacts, examine, exit_code
from mmload.printable import harmless, harmless_line
from mmload.report.wording import plural

# The sign of a finding, and its colour on a terminal.
_SIGNS = {"error": ("✗", 31), "warning": ("!", 33), "info": ("✓", 32)}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "doctor",
        description="Check everything that affects a load test: the server's version, licence, settings and accounts, "
        "the route to it, and this machine. Says what to change and where, but changes nothing. Exit code: 0 ready, "
        "5 the server is not ready, 4 mmload's configuration has to change.",
    )
    add_server_option(parser)
    add_document_options(parser, ["config"])
    parser.add_argument(
        "--users",
        metavar="N",
        type=whole_number(1),
        help="number of users of the planned test (UsersConfiguration.InitialActiveUsers)",
    )
    parser.add_argument(
        "--browser",
        action="store_true",
        help="also do each step of browser users once, with the first account, to find steps that do not work with the "
        "server's version. This check does change something: it writes a message, a reply and a reaction",
    )
    add_unsupported_server_option(parser)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    settings = settings_of("doctor", args)
    users = args.users if args.users is not None else max(1, settings.config.users.initial_active_users)
    examination = examine(settings, users, load(None).value)
    if args.browser and not examination.errors:
        findings = (*examination.findings, *browser_findings(settings))
        examination = replace(examination, findings=findings)
    if args.json:
        print_json(document(examination, settings.config.connection.server_url, users))
    else:
        print(text_of(examination, settings.config.connection.server_url, users, colour=wants_colour()))
    return int(exit_code(examination))


def browser_findings(settings: Settings) -> list[Finding]:
    """Which steps of browser users fit the server's web application, which do not, and which are too slow."""
    users = settings.config.users
    who = accounts(users, 1, read_credentials(users.users_file_path) if users.users_file_path else ())[0]
    url, limit = settings.config.connection.server_url.rstrip("/"), settings.config.browser.step_timeout_seconds
    try:
        order = start_order(settings.config, url, who.email, who.password, ("", ""), "doctor")
        found = try_steps(structs.replace(order, step_seconds=PATIENCE * limit))
    except BrowserGone as error:
        return [Finding("error", f"browser users cannot log in: {error}", fix="docs/browser.md", ours=True)]
    fix = "the server need not change: run without browser users, or adapt mmload/browser/selectors_*.py"
    wrong = [
        Finding("error", f"browser step {name} does not work with this server's web application", why, fix, ours=True)
        for name, why in misfits(found)
    ]
    unhurried = "reduce the load on the server or this machine, or raise BrowserConfiguration.StepTimeoutSec"
    slow = [
        Finding("warning" if fits else "error", f"browser step {name} takes longer than {limit:g} s", why, unhurried)
        for name, fits, why in laggards(found, limit)
    ]
    fitting = [name for name, done in found.items() if done.usable_ms is not None]
    untried = [f"{name} ({done.skipped})" for name, done in found.items() if done.skipped]
    told = [Finding("info", f"browser steps that work: {', '.join(fitting)}")] if fitting else []
    told += [Finding("warning", f"browser steps not tried: {'; '.join(untried)}")] if untried else []
    return wrong + slow + told


def document(examination: Examination, url: str, users: int) -> dict[str, Any]:
    """For `--json`. Pure."""
    return {
        "schema": 1,
        "server": _server_document(examination.server) if examination.server else {"url": url},
        "users": users,
        "ready": not examination.errors,
        "findings": [asdict(finding) for finding in examination.findings],
    }


def _server_document(server: ServerFacts) -> dict[str, Any]:
    document = asdict(server)
    record = structs.asdict(document.pop("record"))
    del record["sandbox"]  # nobody asked
    return record | document


def text_of(examination: Examination, url: str, users: int, *, colour: bool = False) -> str:
    """The examination for a terminal: what needs to be fixed comes last, next to the prompt. Pure."""
    lines = [_server_line(url, examination.server)] if examination.server else []
    for finding in reversed(examination.findings):
        lines += _finding_lines(finding, colour)
    warnings = sum(finding.level == "warning" for finding in examination.findings)
    noted = f"; {plural(warnings, 'warning')}" if warnings else ""
    if examination.errors:
        lines.append(f"Not ready for {plural(users, 'user')}: {plural(len(examination.errors), 'error')}{noted}.")
    else:
        lines.append(f"Ready for {plural(users, 'user')}{noted}.")
    return "\n".join(lines)


def _server_line(url: str, server: ServerFacts) -> str:
    record = server.record
    build = f" (build {record.build})" if record.build and record.build != record.version else ""
    licence = f"licensed{record.sku and ' ' + record.sku}" if record.licensed else "no licence"
    accounts = "" if server.accounts is None else f", {plural(server.accounts, 'account')}"
    limit = f" of {server.account_limit} at most" if accounts and server.account_limit else ""
    return harmless_line(f"{url}: Mattermost {record.version}{build}, {licence}{accounts}{limit}")


def _finding_lines(finding: Finding, colour: bool) -> list[str]:
    sign, code = _SIGNS[finding.level]
    if colour:
        sign = f"\x1b[{code}m{sign}\x1b[0m"
    why = f": {finding.why}" if finding.why else ""
    fix = [harmless(f"    → {finding.fix}")] if finding.fix else []
    return [f"{sign} {harmless(f'{finding.what}{why}')}", *fix]
