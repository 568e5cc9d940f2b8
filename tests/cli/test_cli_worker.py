"""`aur worker` before its subcommands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess


@pytest.mark.parametrize("options", [("--pool", "big"), ("--concurrency", "1"), ("--allow", "build")])
def test_an_option_of_serving_is_refused_before_a_subcommand(
    aur: Callable[..., CompletedProcess[str]], options: tuple[str, str]
) -> None:
    refused = aur("worker", *options, "list")
    assert refused.returncode == ExitCode.USAGE
    assert f"{options[0]} is for serving a pool, and not for `aur worker list`" in refused.stderr


def test_the_database_may_be_named_before_a_subcommand(
    aur: Callable[..., CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURORA_DATABASE_URL", "")  # put back afterwards, since the option sets it
    refused = aur("worker", "--database", "postgresql://127.0.0.1:9/none", "list")
    assert "is for serving" not in refused.stderr
    assert "127.0.0.1" in refused.stderr
