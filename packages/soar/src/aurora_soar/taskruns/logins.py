"""The logins of agent CLIs, as far as files and variables show them; nothing is called."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner import CliBackend

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aurora_spawner import Backend

__all__ = ["SignedIn", "signed_in"]


class SignedIn(StrEnum):
    """The state of a login, as far as it is visible without a call."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def signed_in(backend: Backend, environ: Mapping[str, str], home: Path) -> tuple[SignedIn, str]:
    """Returns the state of an agent's login, and the variable or file that shows it; "" if none does."""
    if not isinstance(backend, CliBackend):
        return SignedIn.UNKNOWN, ""
    profile = backend.profile
    seen = {**environ, **backend.env}
    for variable in profile.login_variables:
        if seen.get(variable):
            return SignedIn.YES, variable
    for path in _files(profile.login_files, seen, home):
        if path.is_file():
            return SignedIn.YES, str(path)
    return (SignedIn.UNKNOWN if profile.login_may_hide else SignedIn.NO), ""


def _files(names: Iterable[str], environ: Mapping[str, str], home: Path) -> Iterable[Path]:
    for name in names:
        if not name.startswith("$"):
            yield home / name
            continue
        variable, _, rest = name[1:].partition("/")
        if environ.get(variable):
            yield Path(environ[variable]) / rest
