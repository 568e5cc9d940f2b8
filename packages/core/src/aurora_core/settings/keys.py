"""API keys of model providers: in the system's keyring, then in the project's `.env`, then in the environment.

The value of a key is only passed on; it is in no message, no representation and no file that Aurora writes.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from aurora_core.bounded import open_regular
from aurora_core.errors import KeyStoreError, UnknownKeyError
from aurora_core.private_files import private_folder, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = [
    "FoundKey",
    "KeyPlace",
    "KeyStore",
    "Ring",
    "check_key_name",
    "keys_in_file",
    "system_ring",
    "variables_of",
]

SERVICE: Final = "aurora"
"""The service name of Aurora's keys in the system's keyring."""
MAX_ENV_BYTES: Final = 1_000_000
WELL_KNOWN: Final = ("anthropic", "openai", "gemini", "openrouter", "deepseek", "groq", "mistral", "xai")
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_LINE: Final = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*(.*?)[ \t]*$")
_MORE_VARIABLES: Final = {"gemini": ("GOOGLE_API_KEY",), "anthropic": ("ANTHROPIC_AUTH_TOKEN",)}


class Ring(Protocol):
    """A keyring: names and values of one service. Any error that it raises becomes a KeyStoreError."""

    def get_password(self, service_name: str, username: str) -> str | None:
        """Returns a value; None if there is none."""
        ...

    def set_password(self, service_name: str, username: str, password: str) -> None:
        """Stores a value."""
        ...

    def delete_password(self, service_name: str, username: str) -> None:
        """Deletes a value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKey:
    """A key with its value.

    Attributes:
        source: "keyring", ".env NAME" or "environment NAME".
    """

    name: str
    value: str = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlace:
    """The place of a key, without its value.

    Attributes:
        source: as of `FoundKey`; None if the key was not found.
    """

    name: str
    source: str | None


def check_key_name(name: str) -> str:
    """Returns a valid name of a key.

    Raises:
        KeyStoreError: the name is not valid.
    """
    if not _NAME.fullmatch(name):
        raise KeyStoreError(
            f"a key's name may contain only lower-case letters, digits, - and _ (as in openai), not {name!r:.40}"
        )
    return name


def variables_of(name: str) -> tuple[str, ...]:
    """Returns the variables that may hold a key: OPENAI_API_KEY for openai."""
    return (f"{name.upper().replace('-', '_')}_API_KEY", *_MORE_VARIABLES.get(name, ()))


def keys_in_file(path: Path) -> dict[str, str]:
    """Returns the keys of a `.env` by variable; no other variable of the file is ever used."""
    assignments = _file_assignments(path)
    return {name: value for name, value in assignments.items() if value and _is_key_variable(name)}


def _is_key_variable(name: str) -> bool:
    return name.endswith("_API_KEY") or any(name in more for more in _MORE_VARIABLES.values())


def system_ring() -> Ring | None:
    """Returns the keyring of this system; None if it has none, or aurora-core was installed without `[keyring]`."""
    try:
        import keyring
    except ModuleNotFoundError:
        return None
    from keyring.backends.fail import Keyring as NoKeyring

    found = keyring.get_keyring()
    return None if isinstance(found, NoKeyring) else found


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStore:
    """Finds and stores the keys of one user.

    Attributes:
        ring: None if the system has no keyring.
        env_file: the project's `.env`; None without a project.
        names_file: the file that remembers the names, which keyrings do not list; None remembers none.
    """

    ring: Ring | None
    env_file: Path | None
    environ: Mapping[str, str] = field(repr=False)
    names_file: Path | None = None

    def find(self, name: str) -> FoundKey:
        """Returns a key with its value.

        Raises:
            UnknownKeyError: the key was not found.
            KeyStoreError: the name is not valid.
        """
        check_key_name(name)
        trouble = ""
        try:
            value = self._in_ring(name)
        except KeyStoreError as error:
            value, trouble = None, str(error)
        if value:
            return FoundKey(name=name, value=value, source="keyring")
        for source, variables in ((".env", self._env_file()), ("environment", self.environ)):
            for variable in variables_of(name):
                if variables.get(variable):
                    return FoundKey(name=name, value=variables[variable], source=f"{source} {variable}")
        raise UnknownKeyError(name, variables_of(name), trouble)

    def keep(self, name: str, value: str) -> None:
        """Stores a key in the keyring.

        Raises:
            KeyStoreError: there is no keyring, it refuses, or the value is not valid.
        """
        check_key_name(name)
        if not value or not value.isprintable() or " " in value:
            raise KeyStoreError(
                "a key is one word on one line, without blanks or control characters; nothing was stored"
            )
        if self.ring is None:
            variable = variables_of(name)[0]
            raise KeyStoreError(f"this system has no keyring; put {variable}=… into .env or the environment")
        self._asked("keep", lambda ring: ring.set_password(SERVICE, name, value))
        self._remember({*self._names(), name})

    def forget(self, name: str) -> bool:
        """Removes a key from the keyring; returns False if there was none."""
        check_key_name(name)
        there = self._in_ring(name) is not None
        if there:
            self._asked("forget", lambda ring: ring.delete_password(SERVICE, name))
        self._remember(self._names() - {name})
        return there

    def places(self) -> tuple[KeyPlace, ...]:
        """Returns the place of each key: the well-known ones, and those that were ever stored."""
        return tuple(self._place(name) for name in dict.fromkeys((*WELL_KNOWN, *sorted(self._names()))))

    def _place(self, name: str) -> KeyPlace:
        try:
            return KeyPlace(name=name, source=self.find(name).source)
        except UnknownKeyError:
            return KeyPlace(name=name, source=None)

    def _in_ring(self, name: str) -> str | None:
        found = self._asked("read", lambda ring: ring.get_password(SERVICE, name)) if self.ring is not None else None
        return found if isinstance(found, str) else None

    def _asked(self, what: str, question: Callable[[Ring], object]) -> object:
        assert self.ring is not None
        try:
            return question(self.ring)
        except Exception as error:  # noqa: BLE001 - a ring may raise anything, and some quote what they were given
            raise KeyStoreError(f"the system's keyring could not {what} the key ({type(error).__name__})") from None

    def _env_file(self) -> dict[str, str]:
        return _file_assignments(self.env_file) if self.env_file else {}

    def _names(self) -> set[str]:
        try:
            stored = json.loads(self.names_file.read_text(encoding="utf-8")) if self.names_file else []
        except (OSError, ValueError, RecursionError):
            return set()
        return (
            {each for each in stored if isinstance(each, str) and _NAME.fullmatch(each)}
            if isinstance(stored, list)
            else set()
        )

    def _remember(self, names: set[str]) -> None:
        if self.names_file is None:
            return
        try:
            private_folder(self.names_file.parent)
            write_private(self.names_file, json.dumps(sorted(names)).encode("ascii"))
        except OSError as error:
            raise KeyStoreError(f"{self.names_file}: the name could not be written: {error.strerror}") from error


def _file_assignments(path: Path) -> dict[str, str]:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            content = file.read(MAX_ENV_BYTES)
    except OSError:
        return {}
    return dict(_assignments(content.decode("utf-8-sig", "replace")))


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    """Yields the variables of a `.env`: `NAME=value`, quoted or not, with or without `export`."""
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        value = match[2]
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        else:
            value = re.split(r"[ \t]#", value, maxsplit=1)[0].strip()
        yield match[1], value
