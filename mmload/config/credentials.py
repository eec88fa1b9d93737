"""The file of accounts that `UsersFilePath` names."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mmload.config.reading import read_text
from mmload.errors import ConfigurationError

_SINGLE_SIGN_ON = ("openid", "saml")


class Credential(NamedTuple):
    """One account to log in with."""

    login: str
    password: str

    def __repr__(self) -> str:
        return f"Credential({self.login!r})"


def read_credentials(path: str | Path) -> tuple[Credential, ...]:
    """The accounts of a file, one `email password` a line: the first is account number 1. Raises ConfigurationError.

    Blank lines and lines that begin with # don't count. No message shows a password.
    """
    taken, problems = [], []
    for number, line in enumerate(read_text(Path(path)).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        credential = _credential(line.strip())
        if isinstance(credential, str):
            problems.append(f"{path}: line {number}: {credential}")
        else:
            taken.append(credential)
    if problems:
        raise ConfigurationError(*problems)
    if not taken:
        raise ConfigurationError(f"{path}: no account in it; expected lines of the form: email password")
    return tuple(taken)


def _credential(line: str) -> Credential | str:
    """The account of a line, or what is wrong with it. Pure."""
    login, *rest_of_line = line.split(maxsplit=1)
    password = "".join(rest_of_line)
    method, colon, rest = login.partition(":")
    if colon and method in _SINGLE_SIGN_ON:
        return f"{method} log-in is not supported; expected a password account: email password"
    if colon and method == "mattermost":
        login = rest
    elif colon:
        return "unknown way to log in before the colon; expected: email password"
    if not login or not password:
        return "expected: email password"
    return Credential(login, password)
