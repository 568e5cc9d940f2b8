"""The launcher as a program of its own: what a process in the sandbox can do, and what it cannot."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.spawner.sandbox.mechanism import ERRORS, force

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.attempts.sandbox_finding import SandboxFinding
from aurora_spawner.sandbox import launcher, profile
from aurora_spawner.sandbox.denials import denied_places
from aurora_spawner.sandbox.launcher import REFUSED, SCOPE_ABI, landlock_abi
from aurora_spawner.sandbox.places import writable_places
from aurora_spawner.sandbox.probe import probe_sandbox
from aurora_spawner.sandbox.profile import launcher_command, profile_text
from aurora_spawner.sandbox.settings import SandboxSettings

BOTH = pytest.mark.parametrize("mechanism", ERRORS)


def run(
    folder: Path, script: str, settings: SandboxSettings, *, through: tuple[str, ...] = ()
) -> tuple[subprocess.CompletedProcess[str], SandboxFinding]:
    """Runs a shell in the sandbox, in `folder/work`; returns its end, and what the probe has found.

    The launcher is started by `through`, if that is given.
    """
    work = folder / "work"
    work.mkdir(exist_ok=True)
    files = AttemptFolder(path=folder)
    text = profile_text(settings, cwd=work, more=(), report=files.sandbox, tries=(folder,))
    (folder / "profile").write_text(text)
    command = launcher_command(folder / "profile", "/bin/sh", ("sh", "-c", script))
    done = subprocess.run([*through, *command], cwd=work, capture_output=True, text=True, check=False, timeout=30)
    finding = files.read_sandbox()
    assert finding is not None, done.stderr
    return done, finding


@BOTH
def test_the_workspace_is_writable_and_the_rest_is_not(
    mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, mechanism)
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "more").mkdir()
    script = """
        mkdir a; echo yes > a/new; mv a b; rm -r b/new; echo yes > new
        echo more > ../more/new
        echo no > ../made; echo no >> ../kept; rm ../kept; mv ../kept ../taken; mv new ../moved; ln ../kept linked
        exit 7
    """
    done, finding = run(tmp_path, script, SandboxSettings(required=True, writable=(tmp_path / "more",)))
    assert (finding.sandboxed, finding.mechanism, finding.write_outside) == (True, mechanism, ERRORS[mechanism])
    assert done.returncode == 7
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["b", "new"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["kept", "more", "profile", "sandbox", "work"]
    assert (tmp_path / "kept").read_text() == "kept"
    assert (tmp_path / "more" / "new").exists()


def test_a_place_that_is_not_named_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting `writable` flipped: the same write as above fails."""
    force(monkeypatch, "landlock")
    (tmp_path / "more").mkdir()
    run(tmp_path, "echo more > ../more/new", SandboxSettings())
    assert not (tmp_path / "more" / "new").exists()


@BOTH
@pytest.mark.parametrize("network", ["open", "none", "ports"])
def test_the_network_is_as_configured(
    mechanism: str, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, mechanism)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [each.getsockname()[1] for each in (one, other)]
        connect = "import socket; socket.create_connection(('127.0.0.1', {}), 5)"
        script = "; ".join(
            f'{sys.executable} -I -S -c "{connect.format(port)}" 2>/dev/null; echo $?' for port in ports
        )
        settings = SandboxSettings(network=(ports[0],) if network == "ports" else network)  # type: ignore[arg-type]
        done, finding = run(tmp_path, script, settings)
    assert done.stdout.split() == {"open": ["0", "0"], "none": ["1", "1"], "ports": ["0", "1"]}[network]
    assert finding.sandboxed
    assert (finding.closed_port is None) == (network == "open")


def test_where_none_holds_nothing_starts_if_it_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, "none")
    done, finding = run(tmp_path, "echo started", SandboxSettings(required=True, network="none"))
    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert (finding.sandboxed, finding.write_outside, finding.closed_port) == (False, "possible", "possible")
    assert "nothing that could be one is installed" in done.stderr
    done, finding = run(tmp_path, "echo started", SandboxSettings())
    assert (done.stdout, finding.sandboxed) == ("started\n", False)


def holds_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a program in the place of bubblewrap that only starts what it is given."""
    fake = tmp_path / "bwrap"
    fake.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    force(monkeypatch, "bubblewrap")


def test_a_place_that_nobody_could_write_to_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, "bubblewrap")
    holds_nothing_back(tmp_path, monkeypatch)
    monkeypatch.setattr(profile, "place_to_try", lambda *_: Path("/sys"))
    _done, finding = run(tmp_path, "true", SandboxSettings())
    assert not finding.sandboxed
    assert "no place outside that could be written to" in finding.problem


def test_a_sandbox_that_holds_nothing_back_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bubblewrap that only starts the program, as a wrapper of somebody's might: the probe counts, not the name."""
    force(monkeypatch, "bubblewrap")
    holds_nothing_back(tmp_path, monkeypatch)
    done, finding = run(tmp_path, "echo started", SandboxSettings(required=True))
    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert "a file could be written" in finding.problem


@BOTH
@pytest.mark.skipif(landlock_abi() < SCOPE_ABI, reason="this kernel's Landlock does not hold signals back")
def test_no_signal_leaves_the_sandbox(mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, mechanism)
    done, _finding = run(
        tmp_path, f"kill -0 {os.getpid()} || echo held; sleep 9 & kill $! && echo own", SandboxSettings()
    )
    assert done.stdout == "held\nown\n"


def test_bubblewrap_protects_what_controls_agents_within_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, "bubblewrap")
    work = tmp_path / "work"
    for name in (".aurora", ".git/hooks"):
        (work / name).mkdir(parents=True)
    script = (
        "echo x > .aurora/policies.yaml; echo x > .git/hooks/pre-commit; echo x > ok;"
        "mv .aurora a && mkdir .aurora; mv .git g && mkdir -p .git/hooks"
    )
    run(tmp_path, script, SandboxSettings())
    assert sorted(str(each.relative_to(work)) for each in work.rglob("*")) == [".aurora", ".git", ".git/hooks", "ok"]


def test_bubblewrap_protects_the_repository_around_a_project_in_a_folder_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, "bubblewrap")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    run(
        tmp_path, "echo x > ../.git/hooks/pre-commit; echo x > ../.git/config; echo x > ../.git/ok", SandboxSettings()
    )
    assert not (tmp_path / ".git" / "hooks" / "pre-commit").exists()
    assert (tmp_path / ".git" / "config").read_text() != "x\n"
    assert (tmp_path / ".git" / "ok").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could do any of it")
@BOTH
def test_root_is_held_back_too(mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by a mount, not through another process's view of the files, and not through a device."""
    force(monkeypatch, mechanism)
    script = f"""
        mount -o remount,rw,bind /; touch {tmp_path}/mounted
        for each in /proc/[0-9]*; do touch $each/root{tmp_path}/passed; done
        mknod device b 7 0; mknod device c 1 3
    """
    run(tmp_path, script, SandboxSettings(required=True))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["profile", "sandbox", "work"]
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="all tests here are without root then")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv takes root's rights away")
def test_landlock_needs_no_right_of_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, "landlock")
    powerless = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
    script = "touch ../outside inside; grep CapEff /proc/self/status"
    done, finding = run(tmp_path, script, SandboxSettings(required=True), through=powerless)
    assert done.stdout.split() == ["CapEff:", "0" * 16]
    assert (finding.sandboxed, finding.mechanism, finding.write_outside) == (True, "landlock", "EACCES")
    assert (tmp_path / "work" / "inside").exists()
    assert not (tmp_path / "outside").exists()


@BOTH
def test_work_in_a_worktree_can_be_committed_and_no_hook_made(
    mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, mechanism)
    git = ("git", "-C", str(tmp_path / "repository"), "-c", "user.name=x", "-c", "user.email=x@example.invalid")
    subprocess.run(["git", "init", "-q", tmp_path / "repository"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "First"], check=True)
    subprocess.run([*git, "worktree", "add", "-q", "-b", "task", tmp_path / "work"], check=True, capture_output=True)
    script = (
        "echo x > new && git add new && git -c user.name=x -c user.email=x@example.invalid commit -qm New"
        " && echo done;"
        f"echo x > {tmp_path}/repository/.git/hooks/pre-commit; git config core.pager x; echo x > ../repository/new"
    )
    done, _finding = run(tmp_path, script, SandboxSettings())
    assert done.stdout == "done\n", done.stderr
    assert subprocess.run([*git, "show", "task:new"], capture_output=True, check=True).stdout == b"x\n"
    assert not (tmp_path / "repository" / ".git" / "hooks" / "pre-commit").exists()
    assert not (tmp_path / "repository" / "new").exists()
    assert "pager" not in (tmp_path / "repository" / ".git" / "config").read_text()


def test_a_worktree_whose_pointer_an_agent_has_changed_opens_nothing(tmp_path: Path) -> None:
    """Else the next attempt could write there."""
    work, treasure = tmp_path / "work", tmp_path / "treasure"
    for each in (work, treasure / "objects", work / "own" / "worktrees" / "x", work / "worktrees" / "x"):
        each.mkdir(parents=True)
    (work / ".git").write_text(f"gitdir: {treasure}\n")
    assert writable_places(work, ()) == (work,)
    (work / ".git").write_text(f"gitdir: {work}/own/worktrees/x\n")
    (work / "own" / "worktrees" / "x" / "gitdir").write_text(f"{work}/.git\n")
    (work / "own" / "worktrees" / "x" / "commondir").write_text(f"{treasure}\n")
    assert writable_places(work, ()) == (work,)
    (work / "own" / "worktrees" / "x" / "commondir").write_text("../..\n")
    (work / "own" / "objects").symlink_to(treasure)
    assert treasure not in writable_places(work, ())


@BOTH
def test_the_probe_apart_from_an_attempt_says_what_it_has_seen(
    mechanism: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, mechanism)
    assert (
        probe_sandbox(SandboxSettings()).words == f"sandboxed by {mechanism} (a write outside: {ERRORS[mechanism]})"
    )


def test_a_program_that_cannot_start_ends_as_in_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, "landlock")
    file = tmp_path / "profile"
    text = profile_text(
        SandboxSettings(), cwd=tmp_path, more=(), report=tmp_path / "sandbox", tries=(Path("/var/tmp"),)
    )
    file.write_text(text)
    for program, status in ((tmp_path / "nothing", 127), (file, 126)):
        done = subprocess.run(launcher_command(file, str(program), ("x",)), capture_output=True, check=False)
        assert done.returncode == status
        assert str(program) in done.stderr.decode()


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("sh: 1: cannot create /home/a/x: Permission denied", "/home/a/x"),
        ("bash: line 1: /home/a/x: Read-only file system", "/home/a/x"),
        ("PermissionError: [Errno 13] Permission denied: '/home/a/x'", "/home/a/x"),
        ("OSError: [Errno 30] Read-only file system: '/home/a/x'", "/home/a/x"),
        ("Error: EACCES: permission denied, open '/home/a/x'", "/home/a/x"),
        ("mkdir: cannot create directory '/home/a/x': Permission denied", "/home/a/x"),
        (r'{"text": "cannot create /home/a/x: Permission denied\n"}', "/home/a/x"),
        ("cat: /srv/here/x: Permission denied", None),
        ("no such file: /home/a/x", None),
    ],
)
def test_a_denied_place_is_read_out_of_what_programs_say(said: str, place: str | None) -> None:
    assert denied_places([said], ["/srv/here"]) == (() if place is None else (place,))


def test_a_flood_of_output_does_not_hold_up_the_search_for_denied_places() -> None:
    """For these slashes it took minutes, in the coordinator."""
    assert denied_places(["/" * (1 << 24), "/a: Permission denied\n" * (1 << 16)], []) == ("/a",)


def test_the_launcher_needs_nothing_but_the_standard_library() -> None:
    """Run with -I and -S, it sees no installed package, and none of ours."""
    program = f"import sys, runpy; runpy.run_path({launcher.__file__!r}); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert "ctypes" in ran.stdout.split()
    assert not [
        name for name in ran.stdout.split() if name.startswith(("aurora", "asyncio", "subprocess", "pydantic"))
    ]
