"""The file of accounts: line k is account number k; what can't be used is refused without showing a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmload.config import Credential, load_settings, read_credentials
from mmload.errors import ConfigurationError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "users.txt"
    path.write_bytes(text.encode())
    return path


def test_the_first_line_is_account_number_one(tmp_path: Path) -> None:
    """The peer never uses it: its numbers start at 1, its list at 0."""
    path = written(tmp_path, "\ufeffa@x.com one\n\n# more\nmattermost:b@x.com two words \r\n  c@x.com\tpass:word\n")

    assert read_credentials(path) == (
        Credential("a@x.com", "one"),
        Credential("b@x.com", "two words"),
        Credential("c@x.com", "pass:word"),
    )


TWO = (Credential("a@x.com", "one"), Credential("b@x.com", "two, three"))


@pytest.mark.parametrize(
    "text",
    [
        'a@x.com,one\nb@x.com,"two, three"\n',
        "a@x.com;one\nb@x.com;two, three\n",
        'email,password\na@x.com,one\nb@x.com,"two, three"\n',
        '\ufeffE-Mail;Password\r\na@x.com;one\r\n"b@x.com";"two, three"\r\n',
        'id,username,email,password,team\n1,ann,a@x.com,one,t\n2,bob,b@x.com,"two, three",t\n',
        'password,login\none,a@x.com\n"two, three", b@x.com\n',
        "email password\na@x.com one\nb@x.com two, three\n",
        'a@x.com one\nb@x.com, "two, three"\n',
    ],
)
def test_a_table_as_a_spreadsheet_or_a_database_writes_it_is_read(tmp_path: Path, text: str) -> None:
    assert read_credentials(written(tmp_path, text)) == TWO


def test_a_first_account_is_no_header_because_of_its_password(tmp_path: Path) -> None:
    assert read_credentials(written(tmp_path, "bob,password\n")) == (Credential("bob", "password"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a@x.com,sesame,open\n", "line 1: 3 columns"),
        ("a@x.com,\n", "line 1: expected"),
        ('a@x.com,"sesame\n', "line 1: a quotation mark is not closed"),
        ("email,password\na@x.com\n", "line 2: fewer columns than the first line names"),
        ("email,password\n", "it contains no accounts"),
        ("ldap:a@x.com,sesame\n", "line 1: unknown login method"),
    ],
)
def test_a_table_that_can_not_be_used_is_refused_by_its_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_credentials(written(tmp_path, text))

    assert problem in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_what_can_not_be_used_is_refused_by_its_line(tmp_path: Path) -> None:
    """All lines at once, and never the password."""
    path = written(tmp_path, "openid:a@x.com sesame\nsaml:b@x.com sesame\nsesame\nldap:c@x.com sesame\nmattermost: x\n")

    with pytest.raises(ConfigurationError) as caught:
        read_credentials(path)

    assert [problem.removeprefix(f"{path}: ")[:7] for problem in caught.value.problems] == [
        f"line {number}:" for number in (1, 2, 3, 4, 5)
    ]
    assert "openid login is not supported" in caught.value.problems[0]
    assert "sesame" not in str(caught.value)


def test_a_file_without_accounts_is_refused(tmp_path: Path) -> None:
    """It was named to be used."""
    with pytest.raises(ConfigurationError, match="it contains no accounts"):
        read_credentials(written(tmp_path, "# nobody\n"))


def test_a_credential_does_not_show_its_password() -> None:
    """It may end up in a traceback."""
    assert repr(Credential("a@x.com", "sesame")) == "Credential('a@x.com')"


def test_the_file_is_checked_with_the_configuration(tmp_path: Path) -> None:
    """Otherwise the first user finds out, in the middle of the start."""
    name = "MMLOAD_USERSCONFIGURATION_USERSFILEPATH"
    missing = str(tmp_path / "none.txt")

    with pytest.raises(ConfigurationError, match=f"^{name}: UsersConfiguration.UsersFilePath: .*: cannot be read"):
        load_settings(environ={name: missing}, folder=tmp_path)

    path = str(written(tmp_path, "a@x.com one\n"))
    assert load_settings(environ={name: path}, folder=tmp_path)[0].config.users.users_file_path == path
