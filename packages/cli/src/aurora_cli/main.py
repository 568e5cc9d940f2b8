"""The entry point of `aur`: it runs one command and returns its exit status."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Final

import click
from click.exceptions import Exit, NoArgsIsHelpError

from aurora_cli.catalogue import CATALOGUE
from aurora_cli.exits import ExitCode
from aurora_cli.immediate_exit import quit_on_signals
from aurora_cli.lazy import AurGroup
from aurora_cli.output import colour_setting, is_gone, note, silence, tolerate_odd_streams
from aurora_cli.run_names import WORKSPACE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["main", "root", "run"]

_NARROW: Final = 52
"""Columns below which click's own least width, 50, is too wide."""
_NARROWEST: Final = 24
_NAMING_A_RUN: Final = ("run_id", "target")
"""Names of the parameters that take a run."""


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"aur {version('aurora-aur')}")
        ctx.exit()


@click.group(
    name="aur",
    cls=AurGroup,
    entries=CATALOGUE,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples=(
        ('aur soar "Where are retries limited?"', "Ask about the code in this folder."),
        ("aur spawn tasks.md --max-concurrent 8", "Run a task file, eight tasks at once."),
        ("aur mem search retry backoff", "Search code and documents."),
    ),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
@click.pass_context
def root(ctx: click.Context) -> None:
    """Plan and run coding agents with a local memory of your project.

    Every command works without network, key or model. Exit status: 0 done, 1 goal not reached (a task failed, no
    answer found), 2 usage, 3 refused by a policy or budget, 4 environment, 130 interrupted.
    """
    ctx.color = colour_setting(os.environ)


def main() -> int:
    """Runs `aur` with the arguments and streams of this process; returns its exit status."""
    tolerate_odd_streams()
    _look_for_programs_in_absolute_folders()
    try:
        _end_in_order_on(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if "_AUR_COMPLETE" in os.environ:
            from click.shell_completion import shell_complete

            return shell_complete(root, {}, "aur", "_AUR_COMPLETE", os.environ["_AUR_COMPLETE"])
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        note("interrupted")
        return ExitCode.INTERRUPTED
    finally:
        quit_on_signals()


def _look_for_programs_in_absolute_folders() -> None:
    """Removes relative folders from PATH, also for child processes: a clone's own `git` could run otherwise."""
    if "PATH" in os.environ:
        folders = os.environ["PATH"].split(os.pathsep)
        os.environ["PATH"] = os.pathsep.join(folder for folder in folders if Path(folder).is_absolute())


def run(args: Sequence[str]) -> int:
    """Runs one command line; every error becomes a line on standard error and an exit status."""
    about: dict[str, object] = {}
    try:
        status = _invoke(args, about)
        _flush_result()
    except BrokenPipeError:
        silence(sys.stdout)
        return ExitCode.DONE
    except (KeyboardInterrupt, click.Abort):
        note("interrupted")
        return ExitCode.INTERRUPTED
    except click.UsageError as error:
        return _report_usage(error)
    except Exception as error:  # noqa: BLE001 - the outermost handler: every error ends here, with a status
        _drop_what_cannot_be_written()
        return _report(error, about)
    return status


def _flush_result() -> None:
    """Flushes the result; a closed pipe does not change the exit status."""
    try:
        sys.stdout.flush()
    except OSError as error:
        if not is_gone(error):
            raise
        silence(sys.stdout)


def _drop_what_cannot_be_written() -> None:
    """Drops output that a full disk refuses; the interpreter would try again and exit with its own status."""
    try:
        sys.stdout.flush()
    except OSError:
        silence(sys.stdout)


def _end_in_order_on(*signals: signal.Signals) -> None:
    """Makes these signals act like Ctrl-C, so that the terminal is restored; ignored ones (`nohup`) stay ignored."""
    for number in signals:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def _invoke(args: Sequence[str], about: dict[str, object]) -> int:
    """Invokes a command; `about` gets what its arguments say of where it works, also if it fails."""
    try:
        with root.make_context("aur", list(args), terminal_width=_narrow_width()) as ctx:
            ctx.call_on_close(lambda: about.update(ctx.meta))
            return int(root.invoke(ctx) or ExitCode.DONE)
    except Exit as finished:
        return finished.exit_code


def _narrow_width() -> int | None:
    """Returns the width of help on a narrow terminal, which click would exceed; None leaves it to click."""
    columns = get_terminal_size().columns
    return max(columns - 2, _NARROWEST) if columns < _NARROW else None


def _report_usage(error: click.UsageError) -> int:
    if isinstance(error, NoArgsIsHelpError):
        note(error.format_message())
        return ExitCode.USAGE
    note(f"aur: {' '.join(error.format_message().split())}")
    if isinstance(error, click.MissingParameter) and error.param is not None and error.param.name in _NAMING_A_RUN:
        note("  `aur runs list` lists the runs")
    if error.ctx is not None:
        note(f"  try: {error.ctx.command_path} --help")
    return ExitCode.USAGE


def _report(error: Exception, about: Mapping[str, object]) -> int:
    from aurora_cli.error_messages import error_report

    if os.environ.get("AURORA_DEBUG"):
        note("".join(traceback.format_exception(error)).rstrip())
    found = error_report(error, workspace=str(about.get(WORKSPACE, "")))
    note(found.message if found.message.startswith("aur ") else f"aur: {found.message}")
    if found.hint:
        note(f"  hint: {found.hint}")
    return found.exit_code
