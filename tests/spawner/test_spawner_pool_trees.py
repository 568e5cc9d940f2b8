"""Tasks in worktrees on the workers of a pool: trees travel through a bare git repository, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.postgres import PostgresServer
from tests.spawner.pool_trees import Site, change_rows
from tests.spawner.workspaces.repository import ALONE, Repository, make_repository

from aurora_spawner import SpawnTask
from aurora_spawner.distributed.attempt_carrier import AttemptCarrier
from aurora_spawner.distributed.documents import DocumentError, OrderDocument
from aurora_spawner.distributed.exchange import (
    Exchange,
    ExchangeError,
    ExchangeUnreachableError,
    result_ref,
    start_ref,
)
from aurora_spawner.distributed.pool_trees import sweep
from aurora_spawner.distributed.worker_trees import WorkerTrees
from aurora_spawner.tasks.work import MergeOutcome
from aurora_spawner.workspaces.errors import GitError, WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.isolation import MergeMode
from aurora_spawner.workspaces.worktrees import Workspaces

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_spawner import RunReport

ORDER = {
    "run_id": "run-1",
    "task_id": "t",
    "number": 1,
    "agent": "sh",
    "model": None,
    "prompt": "x",
    "deadline_s": None,
    "sandbox": "off",
    "depth": 1,
}


@pytest.fixture
def site(tmp_path: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Site:
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    lines = "".join(f"line {number}\n" for number in range(1, 10))
    return Site.make(
        tmp_path,
        server.new_database(),
        {"app.py": lines, "sub/x.txt": "x\n", "crlf.txt": "a\r\n", ".gitignore": "*.log\n"},
    )


async def test_twelve_tasks_with_dependencies_and_one_conflict_over_two_workers(site: Site) -> None:
    """The work of dependencies is there where a dependant begins; what conflicts stays on its branch."""
    first = [SpawnTask(f"echo {name} > {name}.txt; echo done", id=name) for name in "abcd"]
    then = [
        SpawnTask(
            f"cat {one}.txt {other}.txt > {one}{other}.txt; echo done; exit", id=one + other, depends_on=(one, other)
        )
        for one, other in (("a", "b"), ("c", "d"))
    ]
    last = SpawnTask("cat ab.txt cd.txt > all.txt; echo done; exit", id="all", depends_on=("ab", "cd"))
    modes = SpawnTask("chmod +x app.py; printf 'a\\r\\n\\0' > bytes; ln -s app.py link; echo done", id="modes")
    own = SpawnTask("git commit -q --allow-empty -m mine; echo y > sub/x.txt; echo done", id="own")
    exact = SpawnTask("find . -type f -not -name .git | sort | xargs sha256sum", id="exact")
    clash = [SpawnTask(f"echo {name} > same.txt; echo done", id=name) for name in ("one", "two")]
    here = [f"{sha256(content).hexdigest()}  ./{name}" for name, content in sorted(site.project.state()[1].items())]
    run = site.run(*first, *then, last, modes, own, exact, *clash)
    async with site.working("w1", "w2") as lines:
        report = await asyncio.wait_for(run.execute(), 120)
    assert report.succeeded == 12, [each.error for each in report.results.values()]
    assert report.merge is not None
    assert [each.outcome for each in report.merge.unmerged] == [MergeOutcome.CONFLICT]
    assert sorted(report.results["exact"].output.split("\n")[:-1]) == sorted(here), (
        "a worker's checkout is the project's, byte by byte"
    )
    project = site.project.path
    assert (project / "all.txt").read_text() == "a\nb\nc\nd\n"
    assert (project / "bytes").read_bytes() == b"a\r\n\0"
    assert (project / "link").is_symlink()
    assert (project / "app.py").stat().st_mode & 0o100
    assert (project / "sub" / "x.txt").read_text() == "y\n"
    assert site.project("status", "--porcelain") == ""
    assert sum("begins task" in each for each in lines) == 12, lines
    left = sweep(site.exchange, project, {run.run_id})
    assert [each.split("/")[3] for each in left] == [report.merge.unmerged[0].task_id], (
        "only what is not merged stays"
    )


def numbered(site: Site) -> str:
    """Returns the beginning of a script in which `n` is the number of its starts so far."""
    return f"echo x >> {site.folder}/starts; n=$(grep -c x {site.folder}/starts);"


async def until(true: Callable[[], object], lines: list[str], *, within_s: float = 30.0) -> None:
    end = asyncio.get_running_loop().time() + within_s
    while not true():
        assert asyncio.get_running_loop().time() < end, lines
        await asyncio.sleep(0.05)


async def done(running: asyncio.Task[RunReport]) -> RunReport:
    return await asyncio.wait_for(running, 60)


async def test_a_retry_starts_from_what_the_failed_attempt_has_left(site: Site) -> None:
    script = f"{numbered(site)} echo $n >> tries.txt; [ $n = 2 ] || exit 3; echo done; exit"
    run = site.run(SpawnTask(script, id="t"), retries=1)
    async with site.working("w1"):
        report = await asyncio.wait_for(run.execute(), 60)
    assert report.ok, report.results["t"].error
    assert (site.project.path / "tries.txt").read_text() == "1\n2\n"


async def test_a_zombies_push_is_fenced_off_and_its_work_stays_with_it(site: Site) -> None:
    """The worker commits, and is then held up until its attempt counts as lost and the next one is done."""
    script = f"{numbered(site)} echo $n > who.txt; echo done; exit"
    held, go_on = asyncio.Event(), asyncio.Event()
    loop, push = asyncio.get_running_loop(), WorkerTrees.push

    def slow(trees: WorkerTrees, document: OrderDocument, commit: str, *, fence: int) -> None:
        if document.number == 1:
            loop.call_soon_threadsafe(held.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(60)
        push(trees, document, commit, fence=fence)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerTrees, "push", slow)
        async with site.working("w1") as lines:
            run = site.run(SpawnTask(script, id="t"))
            running = asyncio.create_task(run.execute())
            await asyncio.wait_for(held.wait(), 60)
            await change_rows(
                site.url, "UPDATE aurora_attempts SET state = 'lost' WHERE number = 1"
            )  # as after an outage that only the worker has not noticed
            await until(lambda: "t/1/1" in site.results(), lines)
            report = await done(running)
            go_on.set()
            await until(lambda: any("does not count" in each for each in lines), lines)
    assert report.ok
    assert (site.project.path / "who.txt").read_text() == "2\n", "only the second attempt's work is merged"
    said = "\n".join(lines)
    assert "refuses refs/aurora/" in said
    attic = Repository(site.folder / "w1" / "trees" / "repository")
    (ref,) = attic("for-each-ref", "--format=%(refname)", "refs/aurora/attic").splitlines()[:1]
    assert ref in said, "the lost work is named"
    assert attic.shown(ref, "who.txt") == "1"
    assert site.refs()[f"{report.run_id}/t/1/1"] != site.refs()[f"{report.run_id}/t/2/1"]


async def test_what_a_dead_worker_had_pushed_is_in_the_attic_and_not_merged(site: Site) -> None:
    script = f"{numbered(site)} echo $n > who.txt; echo done; exit"
    with pytest.MonkeyPatch.context() as patch:

        async def never(*_given: object) -> bool:
            await asyncio.sleep(3600)
            return False

        patch.setattr(AttemptCarrier, "_finish", never)  # as a worker that dies between its push and its delivery
        async with site.working("w1", killed=True) as lines:
            run = site.run(SpawnTask(script, id="t"))
            running = asyncio.create_task(run.execute())
            await until(lambda: "t/1/1" in site.results(), lines)
    await change_rows(site.url, "UPDATE aurora_attempts SET until = 0")
    async with site.working("w2"):
        report = await done(running)
    assert report.ok
    assert (site.project.path / "who.txt").read_text() == "2\n"
    (attic,) = site.project("for-each-ref", "--format=%(refname)", "refs/aurora/attic").splitlines()
    assert site.project.shown(attic, "who.txt") == "1"
    assert not sweep(site.exchange, site.project.path, {report.run_id}), "it is safe here, and goes from there"
    assert site.refs() == {}


async def test_a_repository_that_is_away_is_waited_for_on_both_sides(site: Site) -> None:
    place, away = site.folder / "exchange", site.folder / "away"
    place.rename(away)
    run = site.run(SpawnTask("sleep 0.3; echo x > x.txt; echo done", id="t"))
    async with site.working("w1") as lines:
        running = asyncio.create_task(run.execute())
        await asyncio.sleep(0.5)
        assert not running.done()
        away.rename(place)
        await until(lambda: any("begins task" in each for each in lines), lines)
        place.rename(away)
        await until(lambda: any("trying again" in each for each in lines), lines)
        away.rename(place)
        report = await done(running)
    assert report.ok
    assert (site.project.path / "x.txt").read_text() == "x\n"


async def test_a_repository_that_stays_away_fails_the_task_with_its_reason(site: Site) -> None:
    site.carry_within_s = 0.1
    (site.folder / "exchange").rename(site.folder / "away")
    report = await asyncio.wait_for(site.run(SpawnTask("echo x", id="t")).execute(), 30)
    error = report.results["t"].error or ""
    assert "its tree could not be sent: git push of the pool's repository" in error
    assert "does not appear to be a git repository" in error
    assert str(site.folder / "exchange") not in error, "the address may be private"


async def test_a_run_is_cancelled_while_its_tree_waits_for_the_repository(site: Site) -> None:
    (site.folder / "exchange").rename(site.folder / "away")
    running = asyncio.create_task(site.run(SpawnTask("echo x", id="t")).execute())
    await asyncio.sleep(0.5)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(running, 20)
    with psycopg.connect(site.url) as connection, contextlib.suppress(psycopg.errors.UndefinedTable):
        assert connection.execute("SELECT count(*) FROM aurora_attempts").fetchone() == (0,), "nothing was queued"


async def test_a_refused_push_names_where_the_work_is(site: Site) -> None:
    hook = site.folder / "exchange" / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ncase $1 in */START/*) ;; *) exit 1 ;; esac\n")
    hook.chmod(0o755)
    run = site.run(SpawnTask("echo x > x.txt; echo done", id="t"))
    async with site.working("w1"):
        report = await asyncio.wait_for(run.execute(), 60)
    result = report.results["t"]
    assert not report.ok
    assert result.termination_reason == "not_carried"
    assert "its work stays on worker w1" in (result.error or "")
    assert "hook declined" in (result.error or "")
    (kept,) = site.kept("w1")
    store = Repository(site.folder / "w1" / "trees" / "repository")
    assert store.shown(f"refs/heads/aurora/{report.run_id}/{kept}", "x.txt") == "x"


async def test_a_full_disk_of_a_worker_is_told_and_its_files_stay(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git says so itself where the worker commits; the files of the agent are still in its worktree."""
    run_git = Git.run

    def full(git: Git, *arguments: str, **named: Any) -> Any:
        if "trees" in git.folder.parts and arguments[:1] in [("commit",), ("commit-tree",), ("write-tree",)]:
            raise GitError(git.folder, arguments, "unable to write file: No space left on device")
        return run_git(git, *arguments, **named)

    monkeypatch.setattr(Git, "run", full)
    run = site.run(SpawnTask("echo x > x.txt; echo done", id="t"))
    async with site.working("w1"):
        report = await asyncio.wait_for(run.execute(), 60)
    assert "No space left on device" in (report.results["t"].error or "")
    assert "its work stays on worker w1" in (report.results["t"].error or "")
    (left,) = (site.folder / "w1" / "trees" / "worktrees").glob("*/*/*/x.txt")
    assert left.read_text() == "x\n"


async def test_a_ref_that_is_not_the_delivered_commit_is_not_merged(site: Site) -> None:
    """Somebody else writes the ref after the worker has pushed and before the coordinator fetches."""
    push = WorkerTrees.push

    def pushed_and_replaced(trees: WorkerTrees, document: OrderDocument, commit: str, *, fence: int) -> None:
        push(trees, document, commit, fence=fence)
        ref = result_ref(document.run_id, document.task_id, document.number, fence)
        foreign = site.project.commit({"evil.txt": "evil\n"}, "evil")
        site.project("push", "--quiet", "--force", str(site.folder / "exchange"), f"{foreign}:{ref}")
        site.project("reset", "--quiet", "--hard", "HEAD~1")

    run = site.run(SpawnTask("echo x > x.txt; echo done", id="t"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerTrees, "push", pushed_and_replaced)
        async with site.working("w1"):
            report = await asyncio.wait_for(run.execute(), 60)
    assert "of the pool's repository is" in (report.results["t"].error or "")
    assert "evil.txt" not in site.project.files("main")


async def test_a_worker_without_a_repository_refuses_trees(site: Site) -> None:
    run = site.run(SpawnTask("echo x > x.txt; echo done", id="t"))
    worker = site.worker("w1", [], trees=False)
    serving = asyncio.create_task(worker.run())
    report = await asyncio.wait_for(run.execute(), 60)
    worker.drain()
    await asyncio.wait_for(serving, 30)
    assert "worker w1 has no `pools: {p: {repository: …}}` in its configuration" in (report.results["t"].error or "")


async def test_uncommitted_changes_travel_with_a_run_that_includes_them(site: Site) -> None:
    (site.project.path / "app.py").write_text("changed\n")
    run = site.run(SpawnTask("cat app.py > copy.txt; echo done", id="t"), merge=MergeMode.NEVER, dirty=True)
    async with site.working("w1"):
        report = await asyncio.wait_for(run.execute(), 60)
    work = report.results["t"].work
    assert work is not None
    assert site.project.shown(str(work.commit), "copy.txt") == "changed"
    assert site.project("status", "--porcelain") == "M app.py"


@pytest.mark.parametrize("folder", ["/etc", "../outside", "a/../../b"])
def test_a_folder_outside_of_the_tree_is_no_order(folder: str) -> None:
    with pytest.raises(DocumentError, match=r"tree\.folder must be inside of the tree"):
        OrderDocument.parse(json.dumps({**ORDER, "tree": {"start": "0" * 40, "folder": folder, "title": "x"}}))


def test_a_run_whose_name_leads_elsewhere_has_no_worktree(site: Site) -> None:
    trees = WorkerTrees(folder=site.folder / "trees", exchange=site.exchange)
    tree = {"start": "0" * 40, "folder": ".", "title": "x"}
    document = OrderDocument.parse(json.dumps({**ORDER, "run_id": "../../evil", "tree": tree}))
    with pytest.raises((ExchangeError, WorkspaceError)):
        trees.begin(document)
    assert [each.name for each in (site.folder / "trees").iterdir() if not each.name.startswith(".")] == [
        "repository"
    ]


def test_no_transport_that_starts_a_program_is_used(site: Site) -> None:
    exchange = Exchange(f"ext::sh -c touch% {site.folder}/owned")
    with pytest.raises(ExchangeUnreachableError, match="transport 'ext' not allowed"):
        exchange.refs(site.project.git, "refs/*")
    assert not (site.folder / "owned").exists()


def test_a_worktree_that_a_kill_left_half_made_is_nobodys_work(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its files it looks as if its agent had deleted all of them."""
    trees = WorkerTrees(folder=site.folder / "trees", exchange=site.exchange)
    start = site.project("rev-parse", "HEAD")
    site.exchange.push_new(site.project.git, start, start_ref("run-1", start))
    document = OrderDocument.parse(json.dumps({**ORDER, "tree": {"start": start, "folder": ".", "title": "x"}}))
    with monkeypatch.context() as patch:
        patch.setattr(Workspaces, "_fill", lambda *_given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            trees.begin(document)
    assert trees.commit(document, token="t") == ""
    assert trees.put_away(document) == ()
    assert not trees._worktrees("run-1", start).has_refs("t-1"), "nothing of it is left"
    trees.begin(document)
    assert trees.commit(document, token="t") == ""


def test_a_commit_is_found_while_another_worktree_is_half_made(tmp_path: Path) -> None:
    """Git makes the file empty before it fills it, and dies of an empty one in whatever looks into all worktrees."""
    repository = make_repository(tmp_path / "project", {"a.txt": "a\n"})
    repository("init", "--quiet", "--bare", str(tmp_path / "exchange"))
    exchange, commit = Exchange(str(tmp_path / "exchange")), repository("rev-parse", "HEAD")
    exchange.push_new(repository.git, commit, "refs/aurora/run/START/1")
    repository("worktree", "add", "--quiet", "--detach", str(tmp_path / "other"))
    (repository.path / ".git" / "worktrees" / "other" / "commondir").write_bytes(b"")
    exchange.fetch(repository.git, "refs/aurora/run/START/1", commit)
