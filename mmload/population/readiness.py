"""Is this server ready for a load test with so many users? `probing` asks, the rules judge."""

from __future__ import annotations

from collections.abc import Iterable

from mmload.config import Settings
from mmload.errors import ExitCode, ServerNotReady
from mmload.population import rules
from mmload.population.findings import Case, Examination, Finding, ServerFacts, server_facts
from mmload.population.probing import ServerProbe, probe

__all__ = ["Examination", "Finding", "ServerFacts", "examine", "examine_quickly", "exit_code", "require_mattermost"]

_LEVELS = ("error", "warning", "info")


def examine(settings: Settings, users_wanted: int) -> Examination:
    """Everything that can be known before a run."""
    return judge(probe(settings, users_wanted, quick=False), settings, users_wanted)


def examine_quickly(settings: Settings, users_wanted: int, processes: int = 1) -> Examination:
    """What decides whether a run can succeed at all, in about the time of one log-in."""
    return judge(probe(settings, users_wanted, quick=True), settings, users_wanted, processes)


def judge(facts: ServerProbe, settings: Settings, users: int, processes: int = 1) -> Examination:
    """All findings, the gravest first. Pure."""
    case = Case(facts, settings, users, processes)
    if facts.contact.trouble:
        url = settings.config.connection.server_url
        unreachable = Finding("error", f"{url}: {facts.contact.trouble}", fix=facts.contact.advice)
        return Examination(_sorted([unreachable, *rules.generator(case)]), None)
    findings = [finding for rule in (*rules.ACCOUNT_RULES, *rules.SERVER_RULES) for finding in rule(case)]
    return Examination(_sorted(findings), server_facts(facts, settings.config.controller.server_version))


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: _LEVELS.index(finding.level)))


def exit_code(examination: Examination) -> ExitCode:
    """What a command answers after this examination. Pure."""
    if not examination.errors:
        return ExitCode.PASSED
    if all(finding.ours for finding in examination.errors):
        return ExitCode.CONFIGURATION_REFUSED
    return ExitCode.SERVER_NOT_READY


def require_mattermost(facts: ServerProbe, settings: Settings) -> None:
    """Raise `ServerNotReady` unless a Mattermost of a known version answered."""
    if facts.contact.trouble:
        url = settings.config.connection.server_url
        raise ServerNotReady(f"{url}: {facts.contact.trouble}; {facts.contact.advice}")
    for finding in rules.version(Case(facts, settings, 0)):
        if finding.level == "error":
            raise ServerNotReady(f"{finding.what}; {finding.fix}")
