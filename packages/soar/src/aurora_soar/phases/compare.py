"""A comparison: two definitions set beside each other, point by point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.evidence import Finding, FindingKind, short_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["compared"]

NAMES_SHOWN: Final = 6


def compared(
    left: Finding, right: Finding, findings: Sequence[Finding]
) -> Iterator[tuple[str, Finding] | tuple[str, Finding, Finding] | tuple[str]]:
    """Yields lines with the findings that they cite: what each side is, then a table of what they differ in."""
    a, b = short_name(left.symbol), short_name(right.symbol)
    yield (f"`{left.symbol}` (`{left.file}:{left.line}`): {_says(left)}", left)
    yield (f"`{right.symbol}` (`{right.file}:{right.line}`): {_says(right)}", right)
    rows = list(_rows(left, right, findings))
    if rows:
        yield ("",)
        yield (f"| | `{a}` | `{b}` |",)
        yield ("|---|---|---|",)
        for title, one, other in rows:
            yield (f"| {title} | {one or 'none'} | {other or 'none'} |",)


def _rows(left: Finding, right: Finding, findings: Sequence[Finding]) -> Iterator[tuple[str, str, str]]:
    sides = (left, right)
    shapes = [_shape(side.text, short_name(side.symbol)) for side in sides]
    if shapes[0] != shapes[1]:
        yield "signature", _code(shapes[0]), _code(shapes[1])
    listed = [[f for f in findings if f.kind is FindingKind.MEMBER and f.about == s.symbol] for s in sides]
    members = [{short_name(f.symbol) for f in side} for side in listed]
    complete = all(len({f.symbol for f in side}) >= max((f.total for f in side), default=0) for side in listed)
    if complete and members[0] | members[1]:
        yield "only here", _listed(members[0] - members[1]), _listed(members[1] - members[0])
    lengths = [side.line_end - side.line + 1 for side in sides]
    yield "lines", str(lengths[0]), str(lengths[1])
    calls = [{f.symbol for f in findings if f.kind is FindingKind.CALLEE and f.about == s.symbol} for s in sides]
    if calls[0] != calls[1]:
        yield "calls", _listed(calls[0]), _listed(calls[1])
    users = [{f.symbol for f in findings if f.kind is FindingKind.CALLER and f.about == s.symbol} for s in sides]
    if users[0] != users[1]:
        yield "called by", _listed(users[0]), _listed(users[1])


def _says(finding: Finding) -> str:
    return f"“{finding.detail}”" if finding.detail else f"`{finding.text}`"


def _shape(signature: str, name: str) -> str:
    """Returns a signature from its name on: parameters, parents, types."""
    return signature.partition(name)[2].strip().replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _listed(names: set[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMES_SHOWN} more" if len(ordered) > NAMES_SHOWN else ""
    return ", ".join(f"`{name}`" for name in ordered[:NAMES_SHOWN]) + more
