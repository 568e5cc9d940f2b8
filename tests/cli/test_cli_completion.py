"""Tab completes commands from the catalogue, options and files; the script for the shell is printed."""

import os
from collections.abc import Callable
from subprocess import CompletedProcess

import click
import pytest

from aurora_cli.exits import ExitCode
from aurora_cli.main import root
from aurora_cli.options import ExistingPath

Aur = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_aur(aur: Aur, shell: str) -> None:
    outcome = aur("completion", shell)
    assert outcome.returncode == ExitCode.DONE
    assert "_AUR_COMPLETE" in outcome.stdout


def test_an_unknown_shell_is_a_usage_error(aur: Aur) -> None:
    assert aur("completion", "tcsh").returncode == ExitCode.USAGE


def test_commands_are_completed_from_the_catalogue() -> None:
    context = click.Context(root, info_name="aur", **root.context_settings)
    assert [item.value for item in root.shell_complete(context, "s")] == ["soar", "spawn", "status"]
    assert "--version" in [item.value for item in root.shell_complete(context, "--")]


def test_the_installed_aur_answers_a_shell(installed: Aur) -> None:
    outcome = installed(_AUR_COMPLETE="bash_complete", COMP_WORDS="aur mem s", COMP_CWORD="2")
    assert outcome.returncode == 0
    assert outcome.stdout.split() == ["plain,search", "plain,show", "plain,stats", "plain,semantic"]


@pytest.mark.parametrize(("kind", "offered"), [("file", "file"), ("path", "file"), ("folder", "dir")])
def test_paths_are_left_to_the_shell(kind: str, offered: str) -> None:
    parameter = click.Argument(["path"], type=ExistingPath(kind))  # type: ignore[arg-type]
    (item,) = parameter.type.shell_complete(click.Context(root, **root.context_settings), parameter, f"x{os.sep}")
    assert (item.value, item.type) == (f"x{os.sep}", offered)
