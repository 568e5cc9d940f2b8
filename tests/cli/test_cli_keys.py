"""`aur keys`: kept, found and forgotten, and never shown."""

from __future__ import annotations

import io
import json
import os
import pty
from subprocess import PIPE
from typing import TYPE_CHECKING

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError
from tests.cli.terminals import on_terminal
from tests.warm_python import WarmPopen

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

SECRET = "sk-very-secret-0123456789"


class Rings(KeyringBackend):
    """A keyring in memory."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[str, str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get(username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[username] = password

    def delete_password(self, service: str, username: str) -> None:
        if username not in self.kept:
            raise PasswordDeleteError
        del self.kept[username]


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rings]:
    """Give the process a keyring of its own, and no key in the environment."""
    for name in [name for name in os.environ if name.endswith(("_KEY", "_TOKEN"))]:
        monkeypatch.delenv(name)
    before, ours = keyring.get_keyring(), Rings()
    keyring.set_keyring(ours)
    yield ours
    keyring.set_keyring(before)


def say(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_key_is_read_from_standard_input_kept_listed_and_forgotten(
    aur: Aur, shop: Path, rings: Rings, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, f"{SECRET}\n")
    outcome = aur("keys", "set", "openai")
    assert (outcome.returncode, outcome.stdout) == (ExitCode.DONE, "")
    assert rings.kept == {"openai": SECRET}
    listed = aur("keys", "list").stdout
    assert "openai      keyring" in listed
    assert "anthropic   not set" in listed
    assert aur("keys", "remove", "openai").returncode == ExitCode.DONE
    assert rings.kept == {}
    assert aur("keys", "remove", "openai").returncode == ExitCode.NOT_REACHED


def test_a_key_on_the_command_line_is_refused_and_not_repeated(aur: Aur, shop: Path, rings: Rings) -> None:
    outcome = aur("keys", "set", "openai", SECRET)
    assert outcome.returncode == ExitCode.USAGE
    assert "do not put a key on the command line" in outcome.stderr
    assert SECRET not in outcome.stderr + outcome.stdout
    assert rings.kept == {}


def test_what_cannot_be_a_key_is_refused_and_not_repeated(
    aur: Aur, shop: Path, rings: Rings, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, f"{SECRET} and more\n")
    outcome = aur("keys", "set", "openai")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert SECRET not in outcome.stderr + outcome.stdout


def test_a_name_that_no_key_can_have_is_refused_before_the_key_is_asked_for(shop: Path) -> None:
    code, written = on_terminal("keys", "set", "open ai")
    assert code == ExitCode.ENVIRONMENT
    assert "may contain only lower-case letters" in written
    assert "Key open ai" not in written


def test_the_project_and_the_environment_are_told_by_their_variable(
    aur: Aur, shop: Path, rings: Rings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / ".env").write_text(f"OPENAI_API_KEY={SECRET}\n")
    monkeypatch.setenv("GROQ_API_KEY", SECRET)
    outcome = aur("keys", "list", "--json")
    found = {each["name"]: each["source"] for each in json.loads(outcome.stdout)["keys"]}
    assert (found["openai"], found["groq"]) == (".env OPENAI_API_KEY", "environment GROQ_API_KEY")
    assert SECRET not in outcome.stdout + outcome.stderr


def test_on_a_terminal_a_key_is_typed_unseen(shop: Path) -> None:
    """The installed command, on a terminal of its own; a system without a keyring says so."""
    from .conftest import AUR

    ours, its = pty.openpty()
    environ = {**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    with WarmPopen([AUR, "keys", "set", "openai"], stdin=its, stdout=PIPE, stderr=its, env=environ) as process:
        os.close(its)
        said = b""
        while b"Key openai:" not in said:
            said += os.read(ours, 1000)
        os.write(ours, SECRET.encode() + b"\n")
        process.wait(timeout=30)
    try:
        while piece := os.read(ours, 1000):
            said += piece
    except OSError:
        pass  # Linux says so when the other side of a terminal is gone
    os.close(ours)
    assert process.returncode == ExitCode.ENVIRONMENT
    assert b"this system has no keyring" in said
    assert SECRET.encode() not in said
