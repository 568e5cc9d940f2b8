"""Roles and tokens from the command line, on a real PostgreSQL, from an empty database to a refused worker."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.postgres import PostgresServer

from aurora_cli.exits import ExitCode
from aurora_spawner.supervision.environment import TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]


@pytest.fixture
def url(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    address = server.new_database()
    monkeypatch.setenv("AURORA_DATABASE_URL", address)
    return address


def test_a_worker_is_let_in_by_its_token_and_refused_once_it_is_revoked(
    aur: Aur, url: str, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = url.rpartition("/")[2]
    assert aur("worker", "database", "roles").returncode == ExitCode.NOT_REACHED
    printed = aur("worker", "database", "init", "--sql").stdout
    assert f'CREATE ROLE "{name}_reader" NOLOGIN' in printed
    assert "missing" in aur("worker", "database", "roles").stdout, "it was only printed"
    made = aur("worker", "database", "init")
    assert f'IN ROLE "{name}_worker"' in made.stderr
    with psycopg.connect(url, autocommit=True) as connection:
        for kind in ("worker", "reader"):
            connection.execute(f'CREATE ROLE "{name}_{kind}1" LOGIN IN ROLE "{name}_{kind}"'.encode())
    roles = json.loads(aur("worker", "database", "roles", "--json").stdout)["roles"]
    assert [each["members"] for each in roles] == [[], [f"{name}_worker1"], [f"{name}_reader1"]]

    added = aur("worker", "token", "add", "build-3", "--pool", "big", "--days", "7")
    token = added.stdout.strip()
    assert re.fullmatch(r"aurw_[0-9a-f]{8}_[\w-]{43}", token)
    shown = json.loads(aur("worker", "token", "add", "x", "--pool", "big", "--json").stdout)
    assert shown["token"].startswith(f"aurw_{shown['id']}_")
    listed = aur("worker", "token", "list")
    assert "build-3  pool big  valid" in listed.stdout
    assert token not in listed.stdout

    (shop / ".aurora").mkdir()
    config = "backends:\n  echo: {kind: command, command: [cat]}\n"
    (shop / ".aurora" / "config.yaml").write_text(config, encoding="utf-8")
    file = shop / "token"
    file.write_text(f"{token}\n", encoding="utf-8")
    file.chmod(0o644)
    serve = ("worker", "--pool", "big", "--name", "build-3", "--token-file", str(file))
    readable = aur(*serve)
    assert (readable.returncode, "chmod 600" in readable.stderr) == (ExitCode.ENVIRONMENT, True)
    file.chmod(0o600)
    assert "member of the worker role alone" in aur(*serve).stderr, "the owner of the tables is bound by no token"
    monkeypatch.setenv("AURORA_DATABASE_URL", url.replace("aurora@", f"{name}_worker1@"))
    revoked = aur("worker", "token", "revoke", "build-3")
    assert (revoked.returncode, "permission denied" in revoked.stderr) == (ExitCode.ENVIRONMENT, True)
    monkeypatch.setenv("AURORA_DATABASE_URL", url)
    assert len(json.loads(aur("worker", "token", "revoke", "build-3", "--json").stdout)["revoked"]) == 1
    monkeypatch.setenv("AURORA_DATABASE_URL", url.replace("aurora@", f"{name}_worker1@"))
    monkeypatch.setenv("HOME", str(tmp_path / "later"))  # this process still holds the lock of the first try
    refused = aur(*serve)
    assert (refused.returncode, "its token was revoked" in refused.stderr) == (ExitCode.ENVIRONMENT, True)
    assert "serves pool" not in refused.stderr
    monkeypatch.setenv("AURORA_WORKER_TOKEN", "x -c role=postgres")
    monkeypatch.setenv("HOME", str(tmp_path / "last"))
    injected = aur(*serve[:-2])
    assert (injected.returncode, "is malformed" in injected.stderr) == (ExitCode.ENVIRONMENT, True)

    monkeypatch.setenv("AURORA_DATABASE_URL", url.replace("aurora@", f"{name}_reader1@"))
    told = json.loads(aur("worker", "token", "list", "--json").stdout)
    assert [each["state"] for each in told["tokens"]] == ["revoked", "valid"]
    assert [(each["name"], each["problem"]) for each in told["refusals"]] == [("build-3", "revoked")]
    assert "refused  build-3 of pool big" in aur("worker", "token", "list").stdout
    assert aur("worker", "list").returncode == ExitCode.DONE
    drained = aur("worker", "token", "revoke", "x")
    assert (drained.returncode, "permission denied" in drained.stderr) == (ExitCode.ENVIRONMENT, True)
    unknown = aur("worker", "token", "revoke", "zzz")
    assert (unknown.returncode, "zzz" in unknown.stderr) == (ExitCode.USAGE, True)


def test_an_agent_makes_no_token_and_no_role(aur: Aur, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURORA_DATABASE_URL", "postgresql://127.0.0.1:9/none")
    monkeypatch.setenv(TOKEN_VARIABLE, "a-token")
    for words in (("token", "add", "w", "--pool", "p"), ("token", "revoke", "w"), ("database", "init")):
        assert aur("worker", *words).returncode == ExitCode.REFUSED
