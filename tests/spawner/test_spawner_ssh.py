"""Attempts on a host over a real sshd: each starts once and ends once, whatever is cut or killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import tempfile
from io import FileIO
from typing import TYPE_CHECKING, Any

import pytest
from tests.exhaustive import few
from tests.spawner.ssh_site import SshSite, agents_of, supervisor_of, until
from tests.spawner.workspaces.repository import ALONE
from tests.ssh_server import SshServer

from aurora_spawner import SpawnTask
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptRefusedError, RunningAttempt
from aurora_spawner.distributed.attempt_documents import document_of
from aurora_spawner.distributed.documents import SPOOL_LIMIT_BYTES, Result
from aurora_spawner.distributed.exchange import REFS, ExchangeUnreachableError
from aurora_spawner.distributed.pool_trees import sweep
from aurora_spawner.distributed.ssh import connection
from aurora_spawner.distributed.ssh import executor as ssh_executor
from aurora_spawner.distributed.ssh.connection import Connection
from aurora_spawner.distributed.ssh.destination import Destination, HostRefusedError, HostUnreachableError
from aurora_spawner.distributed.ssh.frames import Request
from aurora_spawner.workspaces.git import Git

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path, ssh_server: SshServer, monkeypatch: pytest.MonkeyPatch) -> SshSite:
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", ssh_server.path)
    return SshSite.make(tmp_path, ssh_server, {"app.py": "print(1)\n", "sub/x.txt": "x\n", ".gitignore": "*.log\n"})


async def test_tasks_with_worktrees_and_dependencies_are_merged(site: SshSite) -> None:
    tasks = [
        SpawnTask("echo a > a.txt; echo done", id="a"),
        SpawnTask("chmod +x app.py; printf 'a\\r\\n\\0' > bytes; ln -s app.py link; echo done", id="modes"),
        SpawnTask("cat a.txt > b.txt; echo again >> b.txt; pwd; exit", id="b", depends_on=("a",)),
        SpawnTask("git commit -q --allow-empty -m mine; echo y > sub/x.txt; echo done", id="own"),
        SpawnTask("echo nothing", id="nothing"),
    ]
    run = site.run(*tasks, isolated=True)
    report = await asyncio.wait_for(run.execute(), 120)
    assert report.succeeded == 5, [each.error for each in report.results.values()]
    project = site.project.path
    assert (project / "b.txt").read_text() == "a\nagain\n"
    assert (project / "bytes").read_bytes() == b"a\r\n\0"
    assert (project / "app.py").stat().st_mode & 0o100
    assert (project / "link").is_symlink()
    assert str(site.place / "trees") in report.results["b"].output, "it worked on the host"
    assert site.project("status", "--porcelain") == ""
    assert await asyncio.to_thread(sweep, site.exchange, project, {run.run_id}) == []
    await until(lambda: not list((site.place / "trees" / "worktrees").glob(f"*/{run.run_id}/*")))


CUTS = ["start:before", "start:after", "collect:before", "collect:after"]


@pytest.mark.parametrize("cut", few(CUTS, 1))
async def test_a_connection_cut_around_a_request_costs_nothing(
    site: SshSite, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """`before` cuts while the host works on the request, `after` when its answer is on the way."""
    kind, moment = cut.split(":")
    call = Connection.call
    cuts: list[int] = []

    async def cutting(self: Connection, request: Request, *given: Any, **named: Any) -> Any:
        if request.kind != kind or cuts:
            return await call(self, request, *given, **named)
        answering = asyncio.ensure_future(call(self, request, *given, **named))
        if moment == "before":
            await asyncio.sleep(0.02)
        else:
            await answering
        cuts.append(site.server.cut())
        await asyncio.wait({answering})
        await asyncio.sleep(0.1)
        raise HostUnreachableError("cut")

    monkeypatch.setattr(Connection, "call", cutting)
    run = site.run(SpawnTask(f"{site.numbered()} sleep 0.3; echo x > x.txt; echo out", id="t"), isolated=True)
    report = await asyncio.wait_for(run.execute(), 60)
    assert report.succeeded == 1, report.results["t"].error
    assert cuts[0] >= 1
    assert site.starts == 1
    assert report.results["t"].output == "out\n"
    assert (site.project.path / "x.txt").read_text() == "x\n"


async def test_a_host_that_is_away_is_waited_for_and_nothing_starts_twice(
    site: SshSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_executor, "_BRIDGE_S", 0.1)
    site.server.stop()
    with site.executing() as executor:
        try:
            first = await executor.start(site.order(f"{site.numbered()} sleep 1; echo first"))
            collecting = asyncio.create_task(executor.collect(first))
            await until(lambda: any("cannot be reached" in each for each in site.lines))
            assert first.begun is not None
            assert not first.begun.is_set()
            site.server.start()
            await asyncio.wait_for(first.begun.wait(), 30)
            await until(lambda: site.starts)
        finally:
            site.server.stop()
        shown = first.folder / "stdout"
        await until(lambda: site.lines[-1].endswith("waiting for it"))
        shown.unlink(missing_ok=True)
        await asyncio.sleep(1.2)  # the agent ends meanwhile, and nobody hears of it
        assert not collecting.done()
        assert shown.exists(), "a watchdog would take the agent for stalled"
        site.server.start()
        end = await asyncio.wait_for(collecting, 60)
    assert (end.reason, end.exit_code, end.stdout) == (EndReason.EXITED, 0, "first\n")
    assert site.starts == 1
    assert sum("is back" in each for each in site.lines) == 2, site.lines


async def test_a_host_that_is_gone_for_good_is_given_up_where_the_user_says_so(site: SshSite) -> None:
    """An attempt that it has, one that it never got, and one that a resume asks for; what comes back is ended."""
    executor = site.executor()
    try:
        running = await executor.start(order := site.order("echo began; exec sleep 60"))
        collecting = asyncio.create_task(executor.collect(running))
        await until(lambda: agents_of(order.token))
        site.server.stop()
        await until(lambda: any("waiting for it" in each for each in site.lines))
        assert not collecting.done()
        executor.give_up_after_s = 0.1
        unsent = await executor.start(site.order("echo never", number=2))
        ends = await asyncio.wait_for(asyncio.gather(collecting, executor.collect(unsent)), 30)
        adopted = await asyncio.wait_for(executor.adopt(token=order.token, folder=order.folder, supervisor=None), 30)
        for end in (*ends, adopted):
            assert isinstance(end, AttemptEnd)
            assert end.reason is EndReason.SUPERVISOR_LOST
            assert "give_up_after" in end.stderr
        assert agents_of(order.token), "nobody can end it while its host is away"
        site.server.start()
        await until(lambda: not agents_of(order.token))
    finally:
        executor.close()


async def test_a_cancel_is_done_once_the_host_has_seen_the_stop(site: SshSite) -> None:
    with site.executing() as executor:
        running = await executor.start(order := site.order("trap '' TERM; echo began; while :; do sleep 0.1; done"))
        collecting = asyncio.create_task(executor.collect(running))
        await until(lambda: agents_of(order.token))
        site.server.stop()
        executor.cancel(running, at_once=True)
        await asyncio.sleep(0.5)
        assert not collecting.done(), "a host that is away has stopped nothing yet"
        assert agents_of(order.token)
        site.server.start()
        end = await asyncio.wait_for(collecting, 60)
        assert not agents_of(order.token)
    assert end.reason is EndReason.CANCELLED


async def test_what_was_never_sent_is_cancelled_at_once(site: SshSite) -> None:
    site.server.stop()
    try:
        with site.executing() as executor:
            running = await executor.start(site.order("echo never"))
            await asyncio.sleep(0.1)
            executor.cancel(running, at_once=False)
            end = await asyncio.wait_for(executor.collect(running), 5)
    finally:
        site.server.start()
    assert end.reason is EndReason.CANCELLED


async def test_the_host_does_one_attempt_at_a_time_if_it_is_told_so(site: SshSite) -> None:
    script = f"mkdir {site.folder}/alone || exit 1; sleep 0.2; rmdir {site.folder}/alone; echo done"
    run = site.run(*(SpawnTask(script, id=name) for name in "abc"), concurrency=1)
    report = await asyncio.wait_for(run.execute(), 60)
    assert report.succeeded == 3, [each.error for each in report.results.values()]


async def test_a_killed_supervisor_costs_an_attempt_and_its_agent_ends(site: SshSite) -> None:
    script = f"{site.numbered()} [ $AURORA_ATTEMPT_NUMBER = 2 ] && exit 0; echo begun; sleep 60"
    run = site.run(SpawnTask(script, id="t"), isolated=True)
    executing = asyncio.create_task(run.execute())
    await until(lambda: site.starts)
    (token,) = [each.name for each in (site.place / "attempts").iterdir() if not (each / "result").exists()]
    os.kill(supervisor_of(site, token), signal.SIGKILL)
    report = await asyncio.wait_for(executing, 60)
    assert site.starts == 2
    assert not agents_of(token)
    assert report.results["t"].exit_code == 0


async def test_another_coordinator_adopts_and_a_late_start_is_fenced_off(site: SshSite) -> None:
    with site.executing() as dead:
        order = site.order(f"{site.numbered()} sleep 1; echo out")
        await until_begun(await dead.start(order))
    late = site.order(f"{site.numbered()} echo never", number=2)
    with site.executing() as next_one:
        found = await next_one.adopt(token=order.token, folder=order.folder, supervisor=None)
        assert isinstance(found, RunningAttempt)
        end = await asyncio.wait_for(next_one.collect(found), 60)
        again = await next_one.adopt(token=order.token, folder=order.folder, supervisor=None)
        voided = await next_one.adopt(token=late.token, folder=late.folder, supervisor=None)
        with pytest.raises(AttemptRefusedError, match="another coordinator has sent"):
            raise await refused_start(next_one, site.order("echo other"))
        zombie = await asyncio.wait_for(next_one.collect(await next_one.start(late)), 30)
    assert (end.reason, end.stdout) == (EndReason.EXITED, "out\n")
    assert isinstance(again, AttemptEnd)
    assert again.stdout == "out\n"
    assert isinstance(voided, AttemptEnd)
    assert voided.reason is zombie.reason is EndReason.VOIDED
    assert site.starts == 1


async def test_two_processes_of_the_host_start_and_end_an_attempt_once(site: SshSite) -> None:
    """A connection that nobody has noticed to be dead leaves the first one behind."""
    order = site.order(f"{site.numbered()} sleep 0.5; echo out")
    text = document_of(order, "off", None).to_text().encode()
    both = await asyncio.gather(*(Connection.open(site.destination) for _ in range(2)))
    start, collect = (Request(kind=kind, token=order.token) for kind in ("start", "collect"))
    sized = start.model_copy(update={"size": len(text)})
    began = await asyncio.gather(*(each.call(sized, text) for each in both))
    ended = await asyncio.gather(*(each.call(collect) for each in both))
    for each in both:
        each.close()
    assert [answer.state for answer, _ in began] == ["running", "running"]
    assert ended[0][1] == ended[1][1]
    assert Result.unpack(ended[0][1]).stdout == b"out\n"
    assert site.starts == 1


async def until_begun(running: RunningAttempt) -> None:
    assert running.begun is not None
    await asyncio.wait_for(running.begun.wait(), 30)


async def refused_start(executor: Any, order: Any) -> AttemptRefusedError:
    end = await asyncio.wait_for(executor.collect(await executor.start(order)), 30)
    return AttemptRefusedError(end.reason, end.stderr)


async def test_an_output_of_100_mb_comes_back_within_its_limit(site: SshSite) -> None:
    script = "echo first; head -c 100000000 /dev/zero; echo last"
    with site.executing() as executor:
        end = await asyncio.wait_for(executor.collect(await executor.start(site.order(script))), 120)
    assert end.stdout_bytes == 100_000_011
    assert end.stdout_path is not None
    assert end.stdout_path.stat().st_size <= SPOOL_LIMIT_BYTES
    assert end.stdout.startswith("first\n")
    assert end.stdout.endswith("last\n")


async def test_an_agent_that_the_host_does_not_run_and_labels_are_refused(site: SshSite) -> None:
    with site.executing() as executor:
        end = await asyncio.wait_for(executor.collect(await executor.start(site.order("x", agent="no"))), 30)
        with pytest.raises(AttemptRefusedError, match="one host without labels"):
            await executor.start(site.order("x", labels=("gpu",)))
    assert end.reason is EndReason.NOT_TAKEN
    assert "it runs: sh" in end.stderr


async def test_a_wrong_host_key_is_refused_before_anything_is_sent(site: SshSite) -> None:
    site.server.know_host("wrong_key")
    try:
        with site.executing() as executor:
            end = await asyncio.wait_for(executor.collect(await executor.start(site.order("echo never"))), 30)
    finally:
        site.server.know_host()
    assert end.reason is EndReason.NOT_TAKEN
    assert "ssh to far is refused" in end.stderr
    assert "host key" in end.stderr.lower()


async def test_a_path_outside_ends_the_connection_and_makes_nothing(site: SshSite) -> None:
    connection = await Connection.open(site.destination)
    outside = Request.model_construct(kind="adopt", token="../../outside")
    with pytest.raises(HostRefusedError, match="no request"):
        await asyncio.wait_for(connection.call(outside), 30)
    assert not (site.place.parent / "outside").exists()
    connection = await Connection.open(site.destination)
    order = site.order("echo never")
    tree = {"start": "0" * 40, "folder": "../..", "title": "x"}
    text = json.dumps({**document_of(order, "off", None).model_dump(), "tree": tree}).encode()
    answer, _ = await connection.call(Request(kind="start", token=order.token, size=len(text)), text)
    result = Result.unpack((await connection.call(Request(kind="collect", token=order.token)))[1])
    connection.close()
    assert answer.state == "over"
    assert result.end.reason is EndReason.NOT_TAKEN
    assert b"must be inside of the tree" in result.stderr


def test_a_bundle_that_the_disk_here_has_no_room_for_ends_the_wait(
    site: SshSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    git, commit, ref = Git.of_checkout(site.project.path), site.project("rev-parse", "HEAD"), f"{REFS}1/1/a"
    site.exchange.push_new(git, commit, ref)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: FileIO("/dev/full", "r+"))
    with pytest.raises(ExchangeUnreachableError, match="No space left on device"):
        site.exchange.fetch(git, ref, commit)


def test_no_key_travels_and_a_folder_is_one_word() -> None:
    secret = {"AURORA_DATABASE_URL": "postgresql://u:hush@h/q", "OPENAI_API_KEY": "hush", "GH_TOKEN": "hush"}
    here = Destination(address="anna@big", folder="~/a b; rm -rf $HOME", program="aur")
    environment = here.environment({**secret, "PATH": "/bin", "HOME": "/home/anna", "SSH_AUTH_SOCK": "/run/agent"})
    assert environment == {"PATH": "/bin", "HOME": "/home/anna", "SSH_AUTH_SOCK": "/run/agent"}
    assert here.command()[-2:] == ("anna@big", "cd ~/'a b; rm -rf $HOME' && exec aur worker ssh")


async def test_a_connection_that_nobody_waits_for_any_more_leaves_no_ssh(
    site: SshSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given up at each of the steps in which it is made."""
    started: list[subprocess.Popen[bytes]] = []
    start = connection._started

    def kept(destination: Destination) -> subprocess.Popen[bytes]:
        started.append(start(destination))
        return started[-1]

    monkeypatch.setattr(connection, "_started", kept)
    for steps in range(12):
        opening = asyncio.create_task(Connection.open(site.destination))
        for _ in range(steps):
            await asyncio.sleep(0)
        opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await opening
    assert started
    assert [each.poll() is None for each in started] == [False] * len(started)
    assert all(each.stdin is None or each.stdin.closed for each in started)
