"""Runs whose worktrees are prepared: what agents find there, and what becomes of a set-up that fails."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

import pytest
from tests.exhaustive import few
from tests.spawner.workspaces.repository import write

from aurora_spawner import CommandBackend, Run, RunOptions, RunReport, SpawnTask, TaskState
from aurora_spawner.control.worktree_cleanup import clean_worktrees
from aurora_spawner.control.worktrees import list_worktrees
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.work_facts import WorkspacePrepared
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.run_events import RunEvent, TaskWaitsForRoom
from aurora_spawner.testing import processes_of_run
from aurora_spawner.workspaces.disk_cap import DiskCap, most_bytes
from aurora_spawner.workspaces.errors import DiskCapError
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of
from aurora_spawner.workspaces.preparation import Preparation

if TYPE_CHECKING:
    from pathlib import Path

    from tests.spawner.workspaces.repository import Repository

BACKENDS = {"sh": CommandBackend("sh", ("sh",))}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of the journal, outputs and worktrees: outside the repository."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def make(
    repository: Repository,
    place: Path,
    preparation: Preparation,
    *tasks: SpawnTask,
    state_dir: Path | None = None,
) -> Run:
    options = RunOptions(
        default_agent="sh",
        cwd=repository.path,
        spool=place / "runs",
        isolation=isolation_of(repository.path, home=place / "worktrees", merge=MergeMode.AUTO)[0],
        preparation=preparation,
        executor=LocalExecutor(grace_s=0.3),
        state_dir=state_dir,
    )
    return Run.create(place / "runs.db", tasks, BACKENDS, options)


def run(repository: Repository, place: Path, preparation: Preparation, *tasks: SpawnTask) -> RunReport:
    report = make(repository, place, preparation, *tasks).execute_sync()
    with Journal(place / "runs.db") as journal:
        assert verify(journal).problem is None
    return report


def facts(place: Path) -> list[dict[str, object]]:
    with Journal(place / "runs.db") as journal:
        rows = journal.connection.execute("SELECT payload FROM events WHERE kind = ?", (WorkspacePrepared.kind,))
        return [json.loads(row[0]) for row in rows]


def worktrees(repository: Repository) -> int:
    return repository("worktree", "list").count("\n")


def test_an_agent_finds_all_of_it_and_delivers_none_of_it(repository: Repository, place: Path) -> None:
    """Neither an agent that leaves its files to Aurora nor one that adds everything and commits."""
    write(repository.path, {"secret.log": "s3cret", "config/local.json": "{}", "big/data.bin": "data"})
    look = (
        "cat secret.log config/local.json big/data.bin made.txt >&2; git status --porcelain >&2; echo $NAME"
        " $AURORA_PORT_COUNT $((AURORA_PORT_BASE - FIRST)) $AURORA_SLUG"
    )
    preparation = Preparation(
        copy=("secret.log", "config"),
        link=("big",),
        setup=("echo made > made.txt", "test -n $AURORA_PORT_BASE && echo $NAME > setup.log"),
        env={"NAME": "app_{slug}_{run}_{task}", "FIRST": "{port_base}"},
    )
    report = run(
        repository,
        place,
        preparation,
        SpawnTask(f"echo 1 > one.txt; {look}; exit 0", id="one"),
        SpawnTask(f"echo 2 > two.txt; {look}; git add -A; git commit -qm two; exit", id="two"),
    )
    assert report.ok, [each.error for each in report.results.values()]
    for task_id, result in report.results.items():
        name, count, offset, slug = result.output.split()
        assert (count, offset) == ("10", "0")
        assert name == f"app_{slug}_{report.run_id}_{task_id}"
        assert slug.startswith(f"{task_id}_")
        assert (result.work and result.work.files) == 1
        said = next((place / "runs" / report.run_id).glob(f"*{task_id}*/**/stderr*")).read_text()
        assert said == f"s3cret{{}}datamade\n?? {task_id}.txt\n", said
    assert sorted(repository.files("main")) == [".gitignore", "app.py", "docs/guide.md", "one.txt", "two.txt"]
    assert (repository.path / "big" / "data.bin").read_text() == "data"
    assert worktrees(repository) == 0
    assert list((place / "worktrees" / ".ports").glob("2*")) == []
    found = {json.dumps(each["ports"]): each for each in facts(place)}
    assert len(found) == 2
    assert {json.dumps([each["copied"], each["linked"], each["put_back"]]) for each in found.values()} == {
        '[["config/local.json", "secret.log"], ["big"], []]'
    }


@pytest.mark.parametrize(("command", "problem"), few([
    ("echo 'no lock file'; exit 3", " s: no lock file"),
    ("no-such-program", " s; a program is missing, or cannot be started: sh: "),
    ("echo on; sleep 60", "was ended after 1 s, all set-up may take 1 s: on"),
    ("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end >&2; exit 1", "xxxx\nthe end"),
    ('rm -rf "$PWD"', "has removed the worktree"),
], 1))  # fmt: skip
def test_a_set_up_that_fails_fails_the_task_and_names_the_command(
    repository: Repository, place: Path, command: str, problem: str
) -> None:
    timeout_s = 1 if "sleep" in command else 60  # a busy machine may take long for the others
    preparation = Preparation(setup=("true", command), setup_timeout_s=timeout_s)
    report = run(repository, place, preparation, SpawnTask(f"echo ran > {place}/ran; echo done"))
    error = report.results["1"].error or ""
    assert report.results["1"].state is TaskState.FAILED
    assert f"the set-up command {command!r} " in error
    assert problem in error
    assert len(error) < 4000
    assert not (place / "ran").exists()
    gone = command.startswith("rm")  # nobody can look into it
    assert bool([each for each in report.notices if "the work of task" in each]) is gone
    assert clean_worktrees(place / "runs.db", repository.path).kept == ()
    assert worktrees(repository) == 0


def test_what_a_set_up_leaves_running_is_ended(repository: Repository, place: Path) -> None:
    """Also what is in a session of its own, where the end of the process group does not reach it."""
    os.mkfifo(alive := place / "alive")
    preparation = Preparation(setup=(f"setsid sh -c \"exec 9>'{alive}'; sleep 60\" >/dev/null 2>&1 &",))
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    report = run(repository, place, preparation, SpawnTask("echo done"))
    assert report.ok
    assert os.read(reader, 1) == b""  # no writer is left
    assert processes_of_run(report.run_id, within_s=5.0) == []


def test_what_a_set_up_does_to_tracked_files_is_put_back_and_told(repository: Repository, place: Path) -> None:
    spoil = (
        "echo spoilt > app.py; rm docs/guide.md; git add .; git commit -qm own; git checkout -q -b own; echo 1 > gen"
    )
    task = SpawnTask("cat docs/guide.md; head -1 app.py; git log --oneline | wc -l; echo work > work.txt; exit")
    report = run(repository, place, Preparation(setup=(spoil,)), task)
    assert report.ok
    assert report.results["1"].output.split() == ["#", "Guide", "line", "1", "1"]
    put_back = "task 1: its set-up changed what git tracks, which was put back: HEAD, app.py, docs/guide.md"
    assert put_back in report.notices
    assert sorted(repository.files("main")) == [".gitignore", "app.py", "docs/guide.md", "work.txt"]
    assert repository("log", "-1", "--format=%s", "own") == "own"  # a branch that it made stays


def test_what_a_set_up_made_is_work_once_the_agent_changes_it(repository: Repository, place: Path) -> None:
    preparation = Preparation(setup=("mkdir gen; echo 1 > gen/same.py; echo 1 > gen/changed.py",))
    report = run(repository, place, preparation, SpawnTask("echo 2 > gen/changed.py; echo 3 > gen/new.py; echo done"))
    assert report.ok
    assert [name for name in repository.files("main") if name.startswith("gen/")] == ["gen/changed.py", "gen/new.py"]
    assert worktrees(repository) == 0


def test_a_copy_that_an_agent_commits_by_force_stays_out_of_the_history(repository: Repository, place: Path) -> None:
    write(repository.path, {"secret.log": "s3cret"})
    commits = "git add -f secret.log; echo 1 > one.txt; git add .; git commit -qm one; echo 2 >> one.txt; echo done"
    report = run(repository, place, Preparation(copy=("secret.log",)), SpawnTask(commits, title="write one"))
    assert report.ok
    assert sorted(repository("log", "--no-merges", "--format=%s", "main").splitlines()) == ["first", "write one"]
    assert repository("log", "--format=%H", "main", "--", "secret.log") == ""
    assert repository.shown("main", "one.txt") == "1\n2"
    assert "task 1 committed copies of your files (secret.log); its work is one commit without them" in report.notices
    assert [each for each in report.notices if "refs/aurora/attic/" in each]


def test_a_signed_commit_hides_no_copy_of_the_users(repository: Repository, place: Path) -> None:
    """Git can be told to show signatures in each log, also in one that is read for names."""
    program = place / "gpg"
    program.write_text(
        '#!/bin/sh\ncase "$*" in *--verify*) echo Good >&2;; *) cat >/dev/null\n'
        "echo '[GNUPG:] SIG_CREATED ' >&2; echo '-----BEGIN PGP SIGNATURE-----'; echo; echo x\n"
        "echo '-----END PGP SIGNATURE-----';; esac\n"
    )
    program.chmod(0o755)
    repository("config", "log.showSignature", "true")
    repository("config", "gpg.program", str(program))
    write(repository.path, {"secret.log": "s3cret"})
    commits = "git add -f secret.log; echo 2 > two.txt; git add .; git commit -q -S -m two && echo done"
    report = run(repository, place, Preparation(copy=("secret.log",)), SpawnTask(commits))
    assert report.ok
    assert repository("log", "--no-show-signature", "--format=%H", "main", "--", "secret.log") == ""
    assert repository.shown("main", "two.txt") == "2"


def test_a_copy_that_an_agent_changes_keeps_its_worktree(repository: Repository, place: Path) -> None:
    write(repository.path, {"secret.log": "s3cret", "mine.json": "{}"})
    preparation = Preparation(copy=("secret.log", "mine.json"))
    report = run(repository, place, preparation, SpawnTask("echo 2 > mine.json; echo 1 > one.txt; echo done"))
    assert "mine.json" not in repository.files("main")
    assert [each for each in report.notices if "holds files that no commit has: mine.json" in each]
    [status] = list_worktrees(place / "runs.db", repository.path)
    assert "it holds ignored files, which --ignored removes: mine.json" in str(status.keep)
    assert (repository.path / "mine.json").read_text() == "{}"
    clean_worktrees(place / "runs.db", repository.path, ignored_too=True)
    assert worktrees(repository) == 0


def test_what_set_up_installed_is_no_work_until_somebody_changes_it(repository: Repository, place: Path) -> None:
    repository.commit({".gitignore": "*.log\n/lib/\n"})
    preparation = Preparation(setup=("mkdir -p lib/a; echo 1 > lib/a/b",))
    tasks = ("mkdir lib/__pycache__; echo 1 > lib/__pycache__/x; echo done", "echo 2 > lib/c; echo done")
    report = run(repository, place, preparation, *(SpawnTask(each) for each in tasks))
    assert report.ok
    assert [each.task_id for each in list_worktrees(place / "runs.db", repository.path)] == ["2"]


BIG: Final = Preparation(setup=("head -c 300000 /dev/urandom > big.log",), max_disk_bytes=250_000)


def test_beyond_the_cap_no_worktree_is_made_if_nobody_will_give_one_back(repository: Repository, place: Path) -> None:
    """What the first task leaves is in no commit, so its worktree stays."""
    first = SpawnTask("echo a > kept.log; echo a", id="a")
    report = run(repository, place, BIG, first, SpawnTask("echo b", id="b", depends_on=("a",)))
    assert report.results["a"].success
    assert "nothing that runs will give any back: free some with `aur worktrees clean`" in str(
        report.results["b"].error
    )
    assert not list((place / "worktrees").glob("*/*/b"))


def test_a_changed_preparation_is_said_not_to_reach_a_prepared_worktree(repository: Repository, place: Path) -> None:
    task = SpawnTask("test -e twice.log && cat old.log new.log; touch twice.log; false", id="a")
    made = make(repository, place, Preparation(setup=("echo old > old.log",), env={"A": "1"}), task)
    made.execute_sync()

    def again(preparation: Preparation) -> list[str]:
        resumed = Run.resume(made.journal, made.run_id, BACKENDS, retry_failed=True, preparation=preparation)
        report = resumed.execute_sync()
        assert report.results["a"].output == "old\n"
        return [each for each in report.notices if "worktree.yaml has changed" in each]

    assert again(Preparation(setup=("echo old > old.log",), env={"A": "2"})) == [], "variables are those of now"
    assert len(again(Preparation(setup=("echo new > new.log",)))) == 1


def test_beyond_the_cap_tasks_wait_until_others_have_ended_and_their_worktrees_are_given_back(
    repository: Repository, place: Path
) -> None:
    """The worktree of b goes at once, which is not enough for c; a works until c waits for its worktree."""
    waiting: list[TaskWaitsForRoom] = []

    def follow(event: RunEvent) -> None:
        if isinstance(event, TaskWaitsForRoom):
            waiting.append(event)
            (place / "waits").touch()

    works = "echo {0} > {0}.txt; echo done; exit"
    until = f"until test -e {place}/waits; do sleep 0.05; done; "
    tasks = [
        SpawnTask(until + works.format("a"), id="a"),
        SpawnTask(works.format("b"), id="b"),
        SpawnTask(works.format("c"), id="c", depends_on=("b",)),
    ]
    report = make(repository, place, BIG, *tasks).execute_sync(follow)
    assert report.ok, report.results["c"].error
    assert {"a.txt", "b.txt", "c.txt"} <= set(repository.files("main"))
    told = "waits for room: worktrees take 0.0 GB, and may take 0.0 GB (max_disk_gb); task a will give some back"
    assert (waiting[0].task_id, waiting[0].message) == ("c", told)
    assert not list((place / "worktrees").glob("*/*/?"))


def test_two_runs_that_wait_for_each_others_room_do_not_wait_for_ever(repository: Repository, place: Path) -> None:
    """What their first tasks leave is in no commit, so neither run has anything to give back before it ends."""
    cap = Preparation(setup=BIG.setup, max_disk_bytes=500_000)

    async def both() -> list[RunReport]:
        made = []
        for name in "xy":
            until = f"touch {place}/{name}; until test -e {place}/x -a -e {place}/y; do sleep 0.05; done; "
            tasks = (
                SpawnTask(f"{until}echo > kept.log; echo a", id="a"),
                SpawnTask("echo b", id="b", depends_on=("a",)),
            )
            made.append(make(repository, place, cap, *tasks, state_dir=place / "state"))
        return await asyncio.wait_for(asyncio.gather(*(each.execute() for each in made)), timeout=60)

    for report in asyncio.run(both()):
        assert report.results["a"].success
        assert "nothing that runs will give any back" in str(report.results["b"].error)


def test_without_a_cap_worktrees_may_take_as_much_as_stays_free(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert most_bytes(tmp_path / "none" / "yet", 10**9, None) == pytest.approx((free + 10**9) / 2, rel=0.2)
    assert most_bytes(tmp_path, 10**9, 5) == 5


def test_a_disk_that_is_nearly_full_stops_further_worktrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "big").write_bytes(bytes(100_000))
    cap = DiskCap(folder=tmp_path, cap=None)
    cap.check()
    full = SimpleNamespace(total=10**9, used=10**9 - 50_000, free=50_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: full)
    with pytest.raises(DiskCapError, match="as much as would stay free"):
        cap.check()


def test_a_cancel_ends_a_set_up_and_the_run_can_be_resumed(repository: Repository, place: Path) -> None:
    preparation = Preparation(setup=(f"echo >> {place}/begun; test -e {place}/go || sleep 60",))
    begun = make(repository, place, preparation, SpawnTask("echo 1 > one.txt; echo done"))

    async def interrupted() -> RunReport:
        running = asyncio.ensure_future(begun.execute())
        while not (place / "begun").exists():  # noqa: ASYNC110 -- another process makes it
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        (place / "go").touch()
        again = Run.resume(place / "runs.db", begun.run_id, BACKENDS, preparation=preparation)
        return await again.execute()

    report = asyncio.run(interrupted())
    assert report.ok
    assert (place / "begun").read_text() == "\n\n"
    assert "one.txt" in repository.files("main")


def test_odd_names_and_a_gitignore_that_takes_files_back(repository: Repository, place: Path) -> None:
    """Names that are patterns elsewhere, or no UTF-8; and a negated pattern, which outranks what we tell git."""
    odd = ("#a", "!b", "c*d", "[e]", " f ", "g\\h", "ü.txt", os.fsdecode(b"own/\xff.txt"), "own/deep/k")
    repository.commit({".gitignore": "*.log\n!/own/\n!/own/**\n!/c*\n"})
    write(repository.path, dict.fromkeys(odd, "x"))
    (repository.path / "cd").mkdir()
    preparation = Preparation(copy=tuple(name for name in odd if "/" not in name), link=("own",))
    copies = Preparation(copy=(*preparation.copy, "own"))
    script = "git add -A; git commit -qm all"
    for given in (preparation, copies):
        task = SpawnTask(f"cat ' f ' own/deep/k; {script}; echo new > $AURORA_SLUG; echo new > cxd; exit 0", id="t")
        report = run(repository, place, given, task)
        assert report.ok, report.results["t"].error
        assert report.results["t"].output.startswith("xx")
        assert repository("log", "--format=%H", "main", "--", *(f":(literal){name}" for name in odd), "own") == ""
        assert "cxd" in repository.files("main")
        assert worktrees(repository) == 0, report.notices
    assert {(repository.path / name).read_text() for name in odd} == {"x"}


def test_checks_of_a_task_have_what_its_worktree_has(repository: Repository, place: Path) -> None:
    """In the worktree, and in the fresh checkouts of its commit and of its base."""
    write(repository.path, {"secret.log": "s3cret"})
    preparation = Preparation(copy=("secret.log",), setup=("echo made > made.log",), env={"NAME": "app_{slug}"})
    has_all = 'test -n "$NAME" -a -n "$AURORA_PORT_BASE" && cat secret.log made.log'
    passes = SpawnTask(
        "echo x > x.txt; echo y > y.log; echo done", id="passes", checks=(f"{has_all}; echo z > z.txt",)
    )
    fails = SpawnTask("echo bad > bad.txt; echo done; exit", id="fails", checks=(f"{has_all} && test ! -e bad.txt",))
    report = run(repository, place, preparation, passes, fails)
    assert report.results["passes"].checked is not None
    assert [each.changed for each in report.results["passes"].checked.runs] == [("z.txt",)]
    assert report.results["passes"].success
    failed = report.results["fails"].checked
    assert failed is not None
    assert failed.fails_on_base is False
    assert failed.runs[0].output == "s3cretmade\n"
    assert repository.files("main") == [".gitignore", "app.py", "docs/guide.md", "x.txt"]
