"""The refs of a host, reached over ssh: commits go there and come back as git bundles.

They have a connection of their own, so that a large tree is in nobody's way.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from aurora_spawner.distributed.documents import DocumentError
from aurora_spawner.distributed.exchange import (
    ExchangeError,
    ExchangeUnreachableError,
    MissingTreeError,
    PushRefusedError,
)
from aurora_spawner.distributed.ssh.bundles import read_bundle, write_bundle
from aurora_spawner.distributed.ssh.connection import Connection
from aurora_spawner.distributed.ssh.destination import HostRefusedError, HostUnreachableError
from aurora_spawner.distributed.ssh.frames import BUNDLE_LIMIT_BYTES, Answer, Request
from aurora_spawner.storage.system_words import system_words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aurora_spawner.distributed.ssh.destination import Destination
    from aurora_spawner.workspaces.git import Git

    Value = TypeVar("Value")


@dataclass(slots=True)
class _Line:
    """A connection that stays between calls, with the loop that it belongs to; one thread at a time uses it."""

    closing: bool = False
    _loop: asyncio.AbstractEventLoop | None = None
    _connection: Connection | None = None

    def run(self, destination: Destination, work: Callable[[Connection], Awaitable[Value]]) -> Value:
        """Does something with the connection; with a new one, if that of an earlier call is lost."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(self._worked(destination, work))

    async def _worked(self, destination: Destination, work: Callable[[Connection], Awaitable[Value]]) -> Value:
        if self._connection is not None:
            with suppress(HostUnreachableError, HostRefusedError):  # which says only that the old one is gone
                return await work(self._connection)
            self._connection.close()
            self._connection = None
        self._connection = await Connection.open(destination)
        return await work(self._connection)

    def close(self) -> None:
        """Ends the connection and the loop."""
        if self._loop is None:
            return
        if self._connection is not None:
            self._loop.run_until_complete(self._hang_up(self._connection))
        self._loop.close()
        self._loop = self._connection = None

    async def _hang_up(self, connection: Connection) -> None:
        connection.close()
        await asyncio.sleep(0)  # its tasks and pipes end
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class BundleExchange:
    """The repository that a host keeps for trees, with the calls of `Exchange`. Not for use in an event loop."""

    destination: Destination
    kept: bool = False
    """The connection stays for the next call, until `close`; else each call has its own."""
    limit_bytes: int = BUNDLE_LIMIT_BYTES
    _turn: threading.Lock = field(default_factory=threading.Lock, compare=False)
    """One call at a time: a host lets in few at once that have not yet logged in."""
    _line: _Line = field(default_factory=_Line, compare=False)
    _pushed: set[tuple[str, str]] = field(default_factory=set, compare=False)
    """Refs and commits that the host is known to have."""

    def push_new(self, git: Git, commit: str, ref: str) -> None:
        """Writes a ref that must not be there yet; one that is there with the same commit is left alone.

        Args:
            commit: The one that is checked out, or one that the host has.

        Raises:
            PushRefusedError: It is there with another commit.
            ExchangeUnreachableError: The host cannot be reached, or one of the two has no room.
            ExchangeError: The tree is too large, or the host refuses it.
        """

        async def push(connection: Connection) -> None:
            there = (await _asked(connection, Request(kind="refs"))).refs
            if ref in there:
                if there[ref] != commit:
                    raise PushRefusedError(f"the host has {ref} already, with {there[ref][:12]}")
                return
            with tempfile.TemporaryDirectory(prefix="aurora-bundle-") as folder:
                file = Path(folder) / "bundle"
                size = await asyncio.to_thread(
                    write_bundle, git, "HEAD", commit, file, without=set(there.values()), limit=self.limit_bytes
                )
                request = Request(kind="push", ref=ref, commit=commit, size=size)
                if not size:
                    await _asked(connection, request)
                    return
                with file.open("rb") as body:
                    await _asked(connection, request, body)

        if (ref, commit) not in self._pushed:
            self._with_connection(push)
            self._pushed.add((ref, commit))

    def commit_at(self, git: Git, ref: str) -> str:
        """Returns the commit of a ref; empty if there is none.

        Raises:
            ExchangeUnreachableError: The host cannot be reached.
        """
        return self.refs(git, ref).get(ref, "")

    def refs(self, git: Git, pattern: str) -> dict[str, str]:  # noqa: ARG002 -- the host's own git reads them
        """Returns the commits of the refs that match a pattern of git's, by ref.

        Raises:
            ExchangeUnreachableError: The host cannot be reached.
        """
        return self._with_connection(lambda connection: _refs(connection, pattern))

    def fetch(self, git: Git, ref: str, commit: str, *, checked: bool = False) -> None:
        """Brings a commit here; no ref of this repository changes.

        Raises:
            MissingTreeError: The ref is not there, or is another commit.
            ExchangeUnreachableError: The host cannot be reached, or there is no room here.
            ExchangeError: The bundle cannot be used.
        """

        async def bring(connection: Connection) -> None:
            there = (await _asked(connection, Request(kind="refs"))).refs
            if there.get(ref) != commit:
                problem = f"is {there[ref][:12]}" if ref in there else "does not exist"
                raise MissingTreeError(f"{ref} of the host {problem}; expected {commit[:12]}")
            have = await asyncio.to_thread(_known, git, set(there.values()) - {commit})
            with tempfile.TemporaryFile(prefix="aurora-bundle-") as file:
                answer = await _asked(
                    connection, Request(kind="fetch", ref=ref, commit=commit, have=tuple(have)), into=file
                )
                file.seek(0)
                if answer.size:
                    await asyncio.to_thread(read_bundle, git, file, commit, checked=checked)

        self._with_connection(bring)

    def delete(self, git: Git, refs: dict[str, str]) -> None:  # noqa: ARG002 -- the host's own git deletes them
        """Deletes refs that still have these commits.

        Raises:
            ExchangeUnreachableError: The host cannot be reached.
        """
        self._pushed.difference_update(refs.items())
        if refs:
            self._with_connection(lambda connection: _asked(connection, Request(kind="delete", refs=refs)))

    def _with_connection(self, work: Callable[[Connection], Awaitable[Value]]) -> Value:
        with self._turn:
            try:
                return self._line.run(self.destination, work)
            except HostUnreachableError as error:
                raise ExchangeUnreachableError(str(error)) from error
            except (HostRefusedError, DocumentError) as error:
                raise ExchangeError(str(error)) from error
            except OSError as error:
                raise ExchangeUnreachableError(f"a bundle cannot be kept here: {system_words(error)}") from error
            finally:
                if not self.kept or self._line.closing:
                    self._line.close()

    def close(self) -> None:
        """Closes the connection; at the end of a call, if one is under way."""
        self._line.closing = True
        if self._turn.acquire(blocking=False):
            try:
                closing = threading.Thread(target=self._line.close)  # the caller's may run a loop of its own
                closing.start()
                closing.join()
            finally:
                self._turn.release()


async def _refs(connection: Connection, pattern: str) -> dict[str, str]:
    beginning, star, _ = pattern.partition("*")
    found = (await _asked(connection, Request(kind="refs"))).refs
    return {ref: commit for ref, commit in found.items() if ref == pattern or (star and ref.startswith(beginning))}


async def _asked(
    connection: Connection, request: Request, body: IO[bytes] | bytes = b"", *, into: IO[bytes] | None = None
) -> Answer:
    answer, _ = await connection.call(request, body, into=into)
    if answer.kind == "refused":
        raise (ExchangeUnreachableError if answer.again else ExchangeError)(
            f"the host says about {request.ref or 'its refs'}: {answer.problem}"
        )
    return answer


def _known(git: Git, commits: set[str]) -> list[str]:
    return [each for each in commits if git.commit_of(each) == each]
