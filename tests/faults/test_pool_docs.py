"""The commands of docs/distributed.md as a reader would type them: a repository, workers, a run in worktrees."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import psycopg
import pytest
from tests.postgres import PostgresServer
from tests.spawner.workspaces.repository import ALONE, make_repository
from tests.ssh_server import SshServer
from tests.warm_python import WarmPopen, run_warm

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "distributed.md"
BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALLED: Final = "pip install"
"""Begins a command that every developer has run already."""


OVER_SSH: Final = "## Two machines and no database\n"


def blocks(kind: str, *, over_ssh: bool = False) -> list[str]:
    """Returns the blocks of the section about hosts over ssh, or of all others."""
    before, _, rest = DOCUMENT.read_text().partition(OVER_SSH)
    section, heading, after = rest.partition("\n## ")
    text = section if over_ssh else before + heading + after
    return [body for name, body in BLOCK.findall(text) if name == kind]


def commands(*, about_roles: bool) -> list[list[str]]:
    """Returns the commands of the document in their order, without remarks: those that make roles, or the others."""
    chosen = [block for block in blocks("sh") if ("worker database" in block) is about_roles]
    lines = [line for block in chosen for line in block.splitlines() if line.strip()]
    return [shlex.split(line, comments=True) for line in lines if not line.startswith(INSTALLED)]


def environment(home: Path) -> dict[str, str]:
    home.mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AURORA_")}
    return environ | {**ALONE, "HOME": str(home), "AURORA_TRUST": "1"}


def test_each_command_of_the_document_does_what_it_says(tmp_path: Path, server: PostgresServer) -> None:
    url = server.new_database()
    trees = str(tmp_path / "trees.git")
    (config,) = (each.replace("/srv/git/trees.git", trees) for each in blocks("yaml"))
    (tasks,) = blocks("markdown")
    files: dict[str, str | None] = {
        "tasks.md": tasks,
        ".aurora/config.yaml": config,
        "tools/report.sh": "echo $AURORA_TASK_ID > report-$AURORA_TASK_ID.txt; echo done\n",
        ".gitignore": ".aurora/*\ntools/scale.sh\n",
    }
    project = make_repository(tmp_path / "project", files)
    hook = project.path / "tools" / "scale.sh"
    hook.write_text(f"#!/bin/sh\ncat > {tmp_path}/advice.json\n")
    hook.chmod(0o755)
    project("checkout", "--quiet", "-b", "work")  # a protected branch would want an approval
    environ = environment(tmp_path / "home")
    started: list[WarmPopen[str]] = []
    said: dict[str, str] = {}

    def begin(words: list[str], log: Path) -> WarmPopen[str]:
        with log.open("w") as file:
            program = [sys.executable, "-m", "aurora_cli", *words[1:]]
            process: WarmPopen[str] = WarmPopen(
                program, cwd=project.path, env=environ, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        started.append(process)
        return process

    try:
        queued: list[list[str]] = []
        for at, words in enumerate(commands(about_roles=False)):
            log = tmp_path / f"log-{at}"
            if words[0] == "export":
                environ["AURORA_DATABASE_URL"] = url
            elif words[0] == "git":
                subprocess.run([*words[:-1], trees], check=True, capture_output=True)
            elif words[:3] == ["aur", "worker", "--pool"]:
                begin([*words, "--name", f"worker-{at}"], log)
            else:
                queued.append(words)
        for at, words in enumerate(queued):
            more = ["--yes", "--merge", "auto"] if words[1] == "spawn" else []
            log = tmp_path / f"done-{at}"
            assert begin([*words, *more], log).wait(timeout=60) == 0, log.read_text()
            said[" ".join(words[:3])] = log.read_text()
        assert (project.path / "report-1.txt").read_text() == "1\n"
        assert (project.path / "report-2.txt").read_text() == "2\n"
        assert said["aur worker list"].count("serving") == 2
        assert "[gpu, linux]" in said["aur worker list"]
        assert "at most 2" in said["aur worker limit"]
        assert json.loads((tmp_path / "advice.json").read_text())["figures"]["workers"] == 2
    finally:
        for process in started:
            if process.poll() is None:
                process.terminate()
        end = time.monotonic() + 30
        for process in started:
            process.wait(timeout=max(0.1, end - time.monotonic()))


def test_two_machines_and_no_database_as_the_document_has_them(
    tmp_path: Path, ssh_server: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", ssh_server.path)
    there = ssh_server.home / "project"
    files: dict[str, str | None] = {
        "tasks.md": "- [ ] 1 One\n  - Agent: report\n- [ ] 2 Two\n  - Agent: report\n  - Depends: 1\n",
        "tools/report.sh": "echo $AURORA_TASK_ID > report-$AURORA_TASK_ID.txt; pwd\n",
        ".gitignore": ".aurora/*\n",
    }
    (config,) = blocks("yaml", over_ssh=True)
    where = f"ssh: far, port: {ssh_server.port}, program: {ssh_server.program}, folder: {there}"
    here = config.replace("ssh: anna@big.example, folder: project", where)
    project = make_repository(tmp_path / "project", {**files, ".aurora/config.yaml": here})
    project("checkout", "--quiet", "-b", "work")
    make_repository(there, {**files, ".aurora/config.yaml": config.partition("pools:")[0]})
    (line,) = blocks("text", over_ssh=True)
    forced = line.replace("cd project && aur", f"cd {there} && {ssh_server.program}").partition(" ssh-ed25519")[0]
    environ = environment(tmp_path / "home")
    (block,) = blocks("sh", over_ssh=True)
    for words in (shlex.split(each, comments=True) for each in block.splitlines()):
        if words[0] == "ssh":
            asked = words[-1].replace("cd project && aur", f"cd {there} && {ssh_server.program}")
            login = [*words[:-2], "-p", str(ssh_server.port), "far", asked]
            subprocess.run(login, env=environ, check=True, capture_output=True, timeout=60)
            ssh_server.admit(forced)  # the coordinator's key may do nothing else from now on
            continue
        more = ["--yes", "--merge", "auto"] if words[1] == "spawn" else []
        done = run_warm([sys.executable, "-m", "aurora_cli", *words[1:], *more], cwd=project.path, env=environ)
        assert done.returncode == 0
    assert (project.path / "report-1.txt").read_text() == "1\n"
    assert (project.path / "report-2.txt").read_text() == "2\n"


def test_the_roles_and_tokens_of_the_document_let_a_worker_in(tmp_path: Path, server: PostgresServer) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE queue")
    config = "backends:\n  report: {kind: command, command: [sh, report.sh]}\n"
    project = make_repository(tmp_path / "project", {".aurora/config.yaml": config})
    environ = environment(tmp_path / "home") | {"AURORA_DATABASE_URL": server.url("queue")}
    aur = (sys.executable, "-m", "aurora_cli")
    worker: list[str] = []
    for words in commands(about_roles=True):
        if words[0] == "psql":
            with psycopg.connect(server.url("queue"), autocommit=True) as connection:
                connection.execute(words[2].encode())
        elif words[:2] == ["aur", "worker"] and words[2].startswith("--"):
            worker = words
        else:
            line = shlex.join((*aur, *words[1:])) if words[0] == "aur" else shlex.join(words)
            shell = f"umask 077; {line.replace(shlex.quote('>'), '>')}"  # each line has a shell of its own here
            subprocess.run(["sh", "-c", shell], cwd=project.path, env=environ, check=True, capture_output=True)
    with WarmPopen(
        [*aur, *worker[1:]],
        cwd=project.path,
        env=environ | {"AURORA_DATABASE_URL": server.url("queue").replace("aurora@", "build3@")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        as_anna = environ | {"AURORA_DATABASE_URL": server.url("queue").replace("aurora@", "anna@")}
        end, listed = time.monotonic() + 40, ""
        while "serving" not in listed and process.poll() is None and time.monotonic() < end:
            words = [*aur, "worker", "list"]
            listed = run_warm(words, cwd=project.path, env=as_anna, capture_output=True, check=True).stdout
        process.terminate()
        said = process.communicate(timeout=30)[1]
    assert "build-3" in listed, said
    assert "serving" in listed, said
