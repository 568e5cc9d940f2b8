"""Code forges, GitHub and GitLab, by the programs with which their user is signed in: `gh` and `glab`.

What they answer was written by others: it is parsed strictly, and shown or planned with as text.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from aurora_soar.errors import ForgeError
from aurora_spawner.storage.system_words import system_words
from aurora_spawner.workspaces.children import Child
from aurora_spawner.workspaces.errors import LostStatusError
from aurora_spawner.workspaces.git import end_group

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Forge", "ForgePlace", "Issue", "NewRequest", "find_forge", "place_of"]

LIMIT_S: Final = 120.0
"""The longest time of one call; these programs ask a server."""
ISSUE_LENGTH: Final = 60_000
"""Characters of an issue that are taken."""
_SAID: Final = 400
"""Characters of a program's own words in an error."""
_ADDRESS: Final = re.compile(
    r"(?:https?|ssh|git)://(?:[^@/\s]+@)?(?P<host>[^/:\s]+)(?::\d+)?/(?P<path>\S+?)(?:\.git)?/?"
)
_SCP: Final = re.compile(r"(?:[^@/\s]+@)?(?P<host>[^/:\s]{2,}):(?P<path>[^/\s]\S*?)(?:\.git)?/?")
_HINT: Final = "install gh (GitHub) or glab (GitLab), and sign in with `gh auth login` or `glab auth login`"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgePlace:
    """A repository on a forge."""

    host: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue of a forge, as its author wrote it."""

    number: int
    title: str
    body: str

    @property
    def text(self) -> str:
        """The title, and below it the body."""
        return f"{self.title}\n\n{self.body}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A pull request that is to be opened; GitLab calls it a merge request."""

    branch: str
    target: str
    title: str
    body: str
    draft: bool = False


class Forge(Protocol):
    """The program of a forge, in the folder of a repository."""

    @property
    def program(self) -> str:
        """Its name."""
        ...

    def check_signed_in(self) -> None:
        """Checks that its user is signed in.

        Raises:
            ForgeError: they are not.
        """
        ...

    def issue(self, number: int) -> Issue:
        """Returns an issue; raises ForgeError."""
        ...

    def request_of(self, branch: str) -> str:
        """Returns the address of the open pull request of a branch, "" if it has none; raises ForgeError."""
        ...

    def open_request(self, request: NewRequest) -> str:
        """Opens a pull request, and returns its address; raises ForgeError."""
        ...


def place_of(url: str) -> ForgePlace | None:
    """Returns the host and path of a remote's address; None for a folder of this machine."""
    found = _ADDRESS.fullmatch(url) or _SCP.fullmatch(url)
    return ForgePlace(host=found["host"].lower(), path=found["path"]) if found else None


def find_forge(folder: Path, place: ForgePlace | None) -> Forge:
    """Returns the program for a repository: the one that its host names, else the first that is signed in there.

    Args:
        folder: of the repository; the programs are started there.
        place: of the repository; None lets the program find it by the remotes.

    Raises:
        ForgeError: neither program is installed, or their user is not signed in.
    """
    forges: tuple[Forge, ...] = (_Gh(folder, place), _Glab(folder, place))
    host = place.host if place else ""
    named = [forge for forge, name in zip(forges, ("github", "gitlab"), strict=True) if name in host] or list(forges)
    there = [forge for forge in named if shutil.which(forge.program)]
    if not there:
        names = " and ".join(forge.program for forge in named)
        raise ForgeError(names, "not installed", hint=_HINT)
    problem: ForgeError | None = None
    for forge in there:
        try:
            forge.check_signed_in()
        except ForgeError as error:
            problem = problem or error
        else:
            return forge
    assert problem is not None
    raise problem


@dataclass(frozen=True, slots=True)
class _Gh:
    folder: Path
    place: ForgePlace | None
    program: str = "gh"

    def check_signed_in(self) -> None:
        host = ("--hostname", self.place.host) if self.place else ()
        _check_signed_in(self.program, self.folder, host)

    def issue(self, number: int) -> Issue:
        said = self._run("issue", "view", str(number), "--json", "number,title,body")
        return _issue(self.program, _read(self.program, said), number, body="body")

    def request_of(self, branch: str) -> str:
        said = self._run("pr", "list", "--head", branch, "--state", "open", "--json", "url", "--limit", "1")
        return _first_address(self.program, _read(self.program, said), "url")

    def open_request(self, request: NewRequest) -> str:
        draft = ("--draft",) if request.draft else ()
        named = ("--head", request.branch, "--base", request.target, "--title", request.title)
        return _address(self._run("pr", "create", *named, "--body-file", "-", *draft, text=request.body))

    def _run(self, *arguments: str, text: str = "") -> str:
        place = ("--repo", f"{self.place.host}/{self.place.path}") if self.place else ()
        return _run((self.program, *arguments, *place), self.folder, text=text)


@dataclass(frozen=True, slots=True)
class _Glab:
    folder: Path
    place: ForgePlace | None
    program: str = "glab"

    def check_signed_in(self) -> None:
        host = ("--hostname", self.place.host) if self.place else ()
        _check_signed_in(self.program, self.folder, host)

    def issue(self, number: int) -> Issue:
        said = self._run("issue", "view", str(number), "--output", "json")
        return _issue(self.program, _read(self.program, said), number, body="description")

    def request_of(self, branch: str) -> str:
        said = self._run("mr", "list", "--source-branch", branch, "--output", "json", "--per-page", "1")
        return _first_address(self.program, _read(self.program, said), "web_url")

    def open_request(self, request: NewRequest) -> str:
        draft = ("--draft",) if request.draft else ()
        named = ("--source-branch", request.branch, "--target-branch", request.target, "--title", request.title)
        return _address(self._run("mr", "create", *named, "--description", request.body, "--yes", *draft))

    def _run(self, *arguments: str) -> str:
        place = ("--repo", f"https://{self.place.host}/{self.place.path}") if self.place else ()
        return _run((self.program, *arguments, *place), self.folder)


def _check_signed_in(program: str, folder: Path, host: tuple[str, ...]) -> None:
    try:
        _run((program, "auth", "status", *host), folder)
    except ForgeError as error:
        if isinstance(error.__cause__, LostStatusError):
            raise
        where = f" to {host[1]}" if host else ""
        problem = f"you are not signed in{where}"
        raise ForgeError(program, problem, hint=f"sign in with: {program} auth login") from error


def _run(command: tuple[str, ...], folder: Path, *, text: str = "") -> str:
    """Runs a program without a terminal, and returns its output.

    Raises:
        ForgeError: it could not be started, took too long, or failed; with its own words.
    """
    program = command[0]
    try:
        with Child(
            command,
            cwd=folder,
            env={**os.environ, "GH_PROMPT_DISABLED": "1", "NO_COLOR": "1", "NO_PROMPT": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(text.encode("utf-8", "replace"), timeout=LIMIT_S)
            finally:
                if process.returncode is None:
                    end_group(process)
    except subprocess.TimeoutExpired as error:
        raise ForgeError(program, f"it took longer than {LIMIT_S:.0f} s") from error
    except LostStatusError as error:
        raise ForgeError(program, error.problem) from error
    except (OSError, ValueError) as error:
        raise ForgeError(program, f"it could not be started: {system_words(error)}") from error
    if process.returncode:
        said = " ".join((stderr or stdout).decode("utf-8", "replace").split())[:_SAID]
        raise ForgeError(program, said or f"it ended with exit status {process.returncode}")
    return stdout.decode("utf-8", "replace")


def _read(program: str, said: str) -> object:
    try:
        return json.loads(said or "[]")
    except (ValueError, RecursionError) as error:
        raise ForgeError(program, f"its answer is not JSON: {said[:80]!r}") from error


def _issue(program: str, document: object, number: int, *, body: str) -> Issue:
    if not isinstance(document, dict) or not isinstance(document.get("title"), str):
        raise ForgeError(program, f"its answer for issue {number} has no title")
    text = document.get(body)
    return Issue(number=number, title=document["title"], body=text[:ISSUE_LENGTH] if isinstance(text, str) else "")


def _first_address(program: str, document: object, name: str) -> str:
    if not isinstance(document, list):
        raise ForgeError(program, "its answer is not a list of pull requests")
    first = document[0] if document else {}
    address = first.get(name) if isinstance(first, dict) else None
    if document and not isinstance(address, str):
        raise ForgeError(program, f"its pull request has no {name}")
    return address or ""


def _address(said: str) -> str:
    """Returns the last address in the output of a program that has opened a pull request; "" if it names none."""
    found = re.findall(r"https?://\S+", said)
    return str(found[-1]) if found else ""
