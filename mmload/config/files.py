"""A configuration file's text as plain values: JSON or TOML. Each way to fail is one ConfigurationError.

The users file that `UsersFilePath` names.
"""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from mmload.errors import ConfigurationError

# A configuration is a few kilobytes: a device or a log given by mistake must not fill the memory.
_LARGEST_BYTES = 10 * 1024 * 1024


class Object(dict[str, Any]):
    """A decoded JSON object that remembers which keys it was given more than once."""

    repeated: tuple[str, ...] = ()


def read_document(path: Path) -> Object:
    """The document's values, unchecked. A file that ends in .toml is TOML, any other is JSON."""
    text = read_text(path)
    if not text.strip():
        raise ConfigurationError(f"{path}: the file is empty; expected a {_language(path)} document")
    try:
        return _from_toml(path, text) if _language(path) == "TOML" else _from_json(path, text)
    except RecursionError:
        raise ConfigurationError(f"{path}: nested too deeply") from None


def read_text(path: Path) -> str:
    """The file's text, without a byte order mark."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
        if len(data) > _LARGEST_BYTES:
            raise ConfigurationError(
                f"{path}: larger than {_LARGEST_BYTES // 1024**2} MB, so it is not a configuration document"
            )
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 text (byte {error.start + 1})") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        # A path with a null byte in it.
        raise ConfigurationError(f"{str(path)!r}: cannot be read: {error}") from None


def _language(path: Path) -> str:
    return "TOML" if path.suffix.lower() == ".toml" else "JSON"


def _object(pairs: list[tuple[str, Any]]) -> Object:
    made = Object(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        made.repeated = tuple(name for name in made if names.count(name) > 1)
    return made


def _from_json(path: Path, text: str) -> Object:
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ConfigurationError(f"{path}: {place}: not JSON: {_lower(error.msg)}") from None
    except ValueError:
        # Python declines to read a number of thousands of digits.
        raise ConfigurationError(f"{path}: not JSON: it contains a number that is too long") from None
    if not isinstance(value, Object):
        raise ConfigurationError(f"{path}: expected an object {{…}} at the top level")
    return value


def _from_toml(path: Path, text: str) -> Object:
    try:
        return Object(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).rpartition(" (at ")
        if place.startswith("end of document"):
            lines = text.splitlines()
            place = f"line {len(lines)}, column {len(lines[-1]) + 1}"
        raise ConfigurationError(f"{path}: {place.rstrip(')')}: not TOML: {_lower(what)}") from None
    except ValueError:
        raise ConfigurationError(f"{path}: not TOML: it contains a number that is too long") from None


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


_SINGLE_SIGN_ON = ("openid", "saml")


class Credential(NamedTuple):
    """One account to log in with."""

    login: str
    password: str

    def __repr__(self) -> str:
        return f"Credential({self.login!r})"


def read_credentials(path: str | Path) -> tuple[Credential, ...]:
    """The accounts of a file: the first is account number 1. Raises ConfigurationError, without a password in it.

    A line is `email password`, or CSV with commas or semicolons: `email,password`, or the columns that a first line
    names. Blank lines and lines that begin with # don't count.
    """
    lines = [
        (number, line.strip())
        for number, line in enumerate(read_text(Path(path)).split("\n"), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    columns = _named_columns(lines[0][1]) if lines else None
    taken, problems = [], []
    for number, line in lines[1:] if columns else lines:
        credential = _credential(line, columns)
        if isinstance(credential, str):
            problems.append(f"{path}: line {number}: {credential}")
        else:
            taken.append(credential)
    if problems:
        raise ConfigurationError(*problems)
    if not taken:
        raise ConfigurationError(f"{path}: it contains no accounts; expected lines of the form: {_FORM}")
    return tuple(taken)


_FORM = "email password, or email,password"
# How a header names what an account logs in with: the first of these that it has.
_LOGIN_COLUMNS = ("email", "e-mail", "mail", "login", "login_id", "username", "user")


def _named_columns(line: str) -> tuple[int, int] | None:
    """The places of login and password in each line, if this first one names them. Pure."""
    try:
        names = [name.strip().lower() for name in _fields(line)]
    except csv.Error:
        return None
    login = next((name for name in _LOGIN_COLUMNS if name in names), "")
    return (names.index(login), names.index("password")) if login and "password" in names else None


def _fields(line: str) -> list[str]:
    """A line's fields. A separator is one only where no blank comes before it: passwords may have it, too. Pure."""
    separator = next((sign for sign in line.split(maxsplit=1)[0] if sign in ",;"), "")
    if not separator:
        return line.split(maxsplit=1)
    return next(csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True))


def _credential(line: str, columns: tuple[int, int] | None) -> Credential | str:
    """The account of a line, or what is wrong with it. Pure."""
    try:
        fields = _fields(line)
    except csv.Error:
        return "a quotation mark is not closed, or something follows it"
    if columns is None and len(fields) > 2:
        return f"{len(fields)} columns; expected {_FORM}, or a first line that names email and password"
    login_at, password_at = columns or (0, 1)
    if len(fields) <= max(login_at, password_at):
        return "fewer columns than the first line names" if columns else f"expected: {_FORM}"
    login, password = fields[login_at].strip(), fields[password_at]
    method, colon, rest = login.partition(":")
    if colon and method in _SINGLE_SIGN_ON:
        return f"{method} login is not supported; expected a password account: {_FORM}"
    if colon and method == "mattermost":
        login = rest
    elif colon:
        return f"unknown login method before the colon; expected: {_FORM}"
    if not login or not password:
        return f"expected: {_FORM}"
    return Credential(login, password)
