"""What `aur` imports first: from here on a signal ends it in order, while the rest is still imported."""

from __future__ import annotations

from aurora_cli.signal_exit import quit_interrupted, quit_on_lost_interrupts, quit_on_signals

__all__ = ["main"]


def main() -> int:
    """Runs `aur` with the arguments and streams of this process; returns its exit status."""
    try:
        quit_on_signals()
        quit_on_lost_interrupts()
        from aurora_cli.main import main as run

        return run()
    except KeyboardInterrupt:  # in the moment in which one handler takes the place of another
        quit_interrupted()
