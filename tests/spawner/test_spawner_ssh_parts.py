"""The parts of attempts over ssh that need no server: bundles, refs of a host, why ssh failed, who has which pool."""

from __future__ import annotations

import asyncio
import io
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.spawner.workspaces.repository import Repository, make_repository

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, RunningAttempt
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.backends.command import CommandBackend
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.distributed.documents import DocumentError, OrderDocument, Result, TreeDocument
from aurora_spawner.distributed.exchange import MissingTreeError, PushRefusedError, result_ref, start_ref
from aurora_spawner.distributed.pools import PoolChangedError, PoolsExecutor
from aurora_spawner.distributed.ssh.bundles import BundleError, read_bundle, write_bundle
from aurora_spawner.distributed.ssh.destination import Destination, HostRefusedError, HostUnreachableError
from aurora_spawner.distributed.ssh.frames import GREETING, Request, line_of, request_in
from aurora_spawner.distributed.ssh.host import Host
from aurora_spawner.distributed.ssh.host_attempts import FENCE, KEPT_S, HostAttempts, HostOptions
from aurora_spawner.distributed.ssh.host_refs import HostRefs
from aurora_spawner.distributed.worker_trees import WorkerTrees
from aurora_spawner.supervision.local_executor import LocalExecutor

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.attempts.executor import Executor

REF = "refs/aurora/run/t/1/1"


@pytest.fixture
def project(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "project", {"a.txt": "a\n"})


def bundle_of(project: Repository, file: Path, *, without: tuple[str, ...] = (), limit: int = 1 << 20) -> bytes:
    commit = project("rev-parse", "HEAD")
    size = write_bundle(project.git, "HEAD", commit, file, without=without, limit=limit)
    return file.read_bytes() if size else b""


def test_a_bundle_brings_only_what_the_other_side_lacks(project: Repository, tmp_path: Path) -> None:
    refs, first = HostRefs(tmp_path / "trees"), project("rev-parse", "HEAD")
    refs.take("refs/aurora/run/START/1", first, io.BytesIO(bundle_of(project, tmp_path / "all")))
    second = project.commit({"b.txt": "b\n" * 1000})
    thin = bundle_of(project, tmp_path / "thin", without=(first, "f" * 40))
    assert 0 < len(thin) < len(bundle_of(project, tmp_path / "all"))
    refs.take(REF, second, io.BytesIO(thin))
    assert refs.all() == {"refs/aurora/run/START/1": first, REF: second}
    assert bundle_of(project, tmp_path / "none", without=(second,)) == b""
    refs.take(REF, second, None)
    with pytest.raises(PushRefusedError, match="is there already"):
        refs.take(REF, first, None)
    with pytest.raises(PushRefusedError, match="not a valid name of a ref"):
        refs.take("refs/aurora/run/../x", first, None)
    assert refs.give(REF, second, tmp_path / "back", have=(first,), limit=1 << 20) > 0
    with pytest.raises(MissingTreeError, match="expected"):
        refs.give(REF, first, tmp_path / "back", have=(), limit=1 << 20)
    refs.delete({REF: first, "refs/aurora/run/START/1": first})
    assert refs.all() == {REF: second}, "one that is another commit by now stays"


def test_a_bundle_that_is_damaged_too_large_or_of_another_commit_is_refused(
    project: Repository, tmp_path: Path
) -> None:
    first = project("rev-parse", "HEAD")
    whole = bundle_of(project, tmp_path / "bundle")
    second = project.commit({"b.txt": "b\n"})
    thin = bundle_of(project, tmp_path / "thin", without=(first,))
    cases = (
        (b"no bundle at all\n", first),
        (whole[:40], first),
        (whole[:-30], first),
        (whole[:-10] + bytes(10), first),
        (thin, second),
        (whole, second),
    )
    for number, (content, commit) in enumerate(cases):
        refs = HostRefs(tmp_path / f"trees-{number}")
        with pytest.raises(BundleError):
            refs.take(REF, commit, io.BytesIO(content))
        assert refs.all() == {}
    with pytest.raises(BundleError, match="is the most"):
        bundle_of(project, tmp_path / "large", limit=10)
    with pytest.raises(BundleError, match="no longer"):
        write_bundle(project.git, "HEAD", first, tmp_path / "moved", without=(), limit=1 << 20)


def test_what_git_would_not_have_made_is_refused_where_it_is_checked(project: Repository, tmp_path: Path) -> None:
    blob = project("hash-object", "-w", "a.txt")
    tree = project.git.run("mktree", stdin=f"100644 blob {blob}\t.GIT\n".encode()).text
    commit = project("commit-tree", tree, "-m", "bad")
    project("update-ref", "refs/heads/bad", commit)
    write_bundle(project.git, "refs/heads/bad", commit, tmp_path / "bundle", without=(), limit=1 << 20)
    other = make_repository(tmp_path / "other", {"x": "x\n"})
    with (tmp_path / "bundle").open("rb") as file, pytest.raises(BundleError):
        read_bundle(other.git, file, commit, checked=True)
    assert not other.git.commit_of(commit)


@pytest.mark.parametrize(
    ("status", "said", "refused"),
    [
        (255, "Host key verification failed.", True),
        (255, "anna@big: Permission denied (publickey).", True),
        (255, "ssh: connect to host big port 22: Connection refused", False),
        (255, "ssh: Could not resolve hostname big: Temporary failure in name resolution", False),
        (None, "", False),
        (0, "", False),
        (-9, "", False),
        (127, "sh: 1: exec: aur: not found", True),
        (1, "it is no request that a pool takes: token", True),
    ],
)
def test_only_what_waiting_does_not_help_is_a_refusal(status: int | None, said: str, *, refused: bool) -> None:
    problem = Destination(address="big").problem(status, said)
    assert isinstance(problem, HostRefusedError if refused else HostUnreachableError)
    assert "big" in str(problem)


def test_a_request_that_is_none_or_brings_too_much_is_refused() -> None:
    request = Request(kind="start", token="t-1", size=10)
    assert request_in(line_of(request)) == request
    for line in (
        b"{}\n",
        b'{"kind": "start", "token": "../x"}\n',
        b'{"kind": "start", "command": ["sh"]}\n',
        b'{"kind": "fetch", "ref": "refs/heads/main"}\n',
        b'{"kind": "start", "token": "t-1", "size": 100000000}\n',
        b'{"kind": "push", "size": 5000000000}\n',
    ):
        with pytest.raises(DocumentError):
            request_in(line)


async def test_a_host_forgets_a_week_after_a_result_was_had(tmp_path: Path) -> None:
    options = HostOptions(
        name="h", place=tmp_path / "h", cwd=tmp_path, backends={}, executor=lambda _mode: LocalExecutor(), environ={}
    )
    said: list[bytes] = []

    async def serve(*requests: Request) -> None:
        reader = asyncio.StreamReader()
        for each in requests:
            reader.feed_data(line_of(each))

        async def write(piece: bytes) -> None:
            said.append(piece)
            if len([each for each in said if each]) == 1 + len(requests):
                reader.feed_eof()

        said.clear()
        await Host(options).serve(reader, write)
        assert said[0] == GREETING

    await serve(Request(kind="adopt", token="t-1", id=1), Request(kind="adopt", token="t-2", id=2))
    folders = tmp_path / "h" / "attempts"
    assert sorted(each.name for each in folders.iterdir()) == ["t-1", "t-2"]
    old = time.time() - KEPT_S - 1
    os.utime(folders / "t-1" / "claim", (old, old))
    await serve()
    assert [each.name for each in folders.iterdir()] == ["t-2"]


def attempts_of(project: Repository, tmp_path: Path, script: str) -> tuple[HostAttempts, HostRefs, str]:
    """Returns a host with one agent and a commit of a project, and an order for a task that starts from it."""
    refs, start = HostRefs(tmp_path / "h" / "trees"), project("rev-parse", "HEAD")
    refs.take(start_ref("run", start), start, io.BytesIO(bundle_of(project, tmp_path / "bundle")))
    options = HostOptions(
        name="h",
        place=tmp_path / "h",
        cwd=tmp_path,
        backends={"says": CommandBackend("says", ("sh", "-c", script), dialect=DIALECTS["claude"])},
        executor=lambda _mode: LocalExecutor(),
        environ={"PATH": os.environ["PATH"]},
    )
    order = OrderDocument.of(
        run_id="run",
        task_id="1",
        number=1,
        agent="says",
        model=None,
        prompt="b\n",
        deadline_s=None,
        sandbox="off",
        depth=1,
        tree=TreeDocument(start=start, folder=".", title="Say"),
    )
    trees = WorkerTrees(folder=refs.folder, exchange=refs.exchange)
    return HostAttempts(options=options, trees=trees), refs, order.to_text()


async def test_a_command_of_a_host_that_says_it_worked_elsewhere_has_not_done_its_task(
    project: Repository, tmp_path: Path
) -> None:
    script = f"""cat > b.txt; echo '{{"type":"system","subtype":"init","cwd":"{tmp_path}","session_id":"s"}}'"""
    attempts, refs, order = attempts_of(project, tmp_path, script)
    assert await attempts.start("t-1", order) == "running"
    packed = await attempts.result("t-1", await attempts.collect("t-1", lambda: None))
    attempts.close()
    result = Result.unpack(packed)
    assert result.end.reason is EndReason.WRONG_FOLDER
    assert str(tmp_path).encode() in result.stderr
    assert refs.all()[result_ref("run", "1", 1, FENCE)] == result.commit, "what it has left comes back nevertheless"


async def test_the_worktree_of_an_attempt_that_did_not_begin_goes_with_its_folder(
    project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts, _refs, order = attempts_of(project, tmp_path, "true")

    async def killed(*_: object) -> RunningAttempt:  # between the worktree and its agent
        raise asyncio.CancelledError

    monkeypatch.setattr(LocalExecutor, "start", killed)
    with pytest.raises(asyncio.CancelledError):
        await attempts.start("t-1", order)
    worktrees, folder = tmp_path / "h" / "trees" / "worktrees", tmp_path / "h" / "attempts" / "t-1"
    assert list(worktrees.rglob("a.txt"))
    assert attempts.adopt("t-1") == "voided"
    old = time.time() - KEPT_S - 1
    os.utime(folder / "claim", (old, old))
    (tmp_path / "h" / "keys" / "gone").symlink_to("t-0")
    attempts.sweep(time.time())
    assert not folder.exists()
    assert not list(worktrees.rglob("a.txt"))
    assert not list((tmp_path / "h" / "keys").iterdir())


@dataclass
class Recorder:
    """An executor of one pool, which only says who was asked."""

    name: str
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        self.asked.append(("start", order.token))
        return RunningAttempt(token=order.token, folder=order.folder, supervisor=own_identity())

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        self.asked.append(("collect", attempt.token))
        return AttemptEnd(reason=EndReason.EXITED)

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        self.asked.append(("cancel", f"{attempt.token} {at_once}"))

    async def adopt(self, *, token: str, **_named: Any) -> AttemptEnd:
        self.asked.append(("adopt", token))
        return AttemptEnd(reason=EndReason.VOIDED)

    def close(self) -> None:
        self.asked.append(("close", ""))


def order(folder: Path, token: str, pool: str | None) -> AttemptOrder:
    return AttemptOrder(
        run_id="r",
        task_id=token,
        number=1,
        agent="sh",
        token=token,
        folder=folder / token,
        prompt="x",
        command=("x",),
        environment={},
        cwd=folder,
        deadline_s=None,
        pool=pool,
    )


async def test_each_attempt_goes_to_its_own_pool_and_is_found_there_again(tmp_path: Path) -> None:
    made: dict[str, Recorder] = {}
    hosts = {"far": "anna@far", "near": "anna@near"}

    def of(name: str) -> Executor:
        return cast("Executor", made.setdefault(name, Recorder(name)))

    pools = PoolsExecutor(pool="far", hosts=hosts, executor=of)
    for token, pool in (("a", None), ("b", "near"), ("c", "queue"), ("d", "other")):
        running = await pools.start(order(tmp_path, token, pool))
        pools.cancel(running, at_once=True)
        await pools.collect(running)
    pools.close()
    assert {name: {token for what, token in each.asked if what == "start"} for name, each in made.items()} == {
        "far": {"a"},
        "near": {"b"},
        "queue": {"c"},
        "other": {"d"},
    }, "each carries trees through the repository of its own pool"
    assert ("cancel", "b True") in made["near"].asked
    assert all(each.asked[-1] == ("close", "") for each in made.values())
    again = PoolsExecutor(pool="far", hosts=hosts, executor=of)
    await again.adopt(token="b", folder=tmp_path / "b", supervisor=None)
    await again.adopt(token="never", folder=tmp_path / "never", supervisor=None)
    assert ("adopt", "b") in made["near"].asked
    assert ("adopt", "never") in made["far"].asked
    for changed in ({"far": "anna@far"}, {**hosts, "near": "anna@elsewhere"}):
        moved = PoolsExecutor(pool="far", hosts=changed, executor=of)
        with pytest.raises(PoolChangedError, match="anna@near as pool near"):
            await moved.adopt(token="b", folder=tmp_path / "b", supervisor=None)
