"""The suspects in an answer to a trouble question: one sentence that counts them, or says that there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.evidence import FindingKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_soar.evidence.evidence import Finding

__all__ = ["SUSPECT_KINDS", "suspected", "trouble_said"]

SUSPECT_KINDS: Final = frozenset({FindingKind.RAISE, FindingKind.UNRELEASED})


def suspected(findings: Sequence[Finding]) -> list[Finding]:
    """Returns the suspects of definitions that the question names, then which of these are sound."""
    suspects = [f for f in findings if f.kind in SUSPECT_KINDS and f.about]
    return [*suspects, *(f for f in findings if f.kind is FindingKind.SOUND)]


def trouble_said(name: str, place: str, suspects: Sequence[Finding]) -> str:
    """Returns how many lines of a definition, and of what it calls, may go wrong.

    Args:
        place: of the definition, as it is cited.
        suspects: its own; or that it is sound.
    """
    if suspects[0].kind is FindingKind.SOUND:
        sound = "raises or acquires anything, nor does any function of this project that it certainly calls"
        return f"Nothing in `{name}` ({place}) {sound}."
    own = sum(f.symbol == name or f.symbol.startswith(f"{name}.") for f in suspects)
    called = len(suspects) - own
    count = f"{own or 'no'} line{'s' if own > 1 else ''} of its own"
    more = f" and {called} of what it calls" if called else ""
    return f"Start at `{name}` ({place}): {count}{more} may raise, catch an error, or keep what is acquired."
