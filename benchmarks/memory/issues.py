"""Queries as long as issues: prose, and a traceback through functions that the project really has."""

from __future__ import annotations

import random
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

QUERIES = 10
FRAMES = 12
NAMED = 6

_REPORT = """\
{first} fails with {error} after an upgrade, and the second call returns a stale result

### What happened

Since the upgrade on Friday our nightly job stops about twenty minutes after it was started. It worked for more than
a year before that, with the same configuration and the same input, so I do not think that the data are to blame. The
first call of `{first}` returns what one would expect. Any later call with another set of options either raises the
error below, or, which is worse, silently gives back what the first call had computed. I could reduce it to a loop of
three calls: the first with the default arguments, the second with an empty list, the third with `None` for the path.

### What I expected

An empty list should be accepted, as the documentation of `{second}` says, and `{third}()` should not keep a reference
to the old object once it was closed. The changelog has nothing about this, except a remark that the handling of
default values had been moved to {path}.

### Traceback

```
Traceback (most recent call last):
{frames}
{error}: expected a string or a path-like object, not 'NoneType'
```

### Other things that I tried

Clearing the cache before every call helps, but makes the job four times slower. Downgrading helps. Setting the
timeout to 0 does not. With debug logging I see that `{fourth}` is entered twice, the second time from another thread,
and that `{fifth}` has then already been replaced by `{sixth}`. Linux 6.1, Python 3.11.7 and 3.12.1, the same on both;
a colleague sees it on Windows as well. I could send a pull request, if somebody tells me where the check belongs.
"""
_ERRORS = ("TypeError", "ValueError", "KeyError", "RuntimeError", "AttributeError")


def issue_queries(root: Path) -> list[str]:
    """Returns queries that name functions and files of an indexed project; the same ones for the same index."""
    with sqlite3.connect(root / ".aurora" / "memory.db") as connection:
        rows = connection.execute(
            """SELECT path, short_name, line_start, signature FROM chunks JOIN files ON files.id = file_id
               WHERE symbol_type IN ('function', 'method') ORDER BY path, line_start"""
        ).fetchall()
    draw = random.Random(11)
    return [_issue(draw.sample(rows, FRAMES), _ERRORS[number % len(_ERRORS)]) for number in range(QUERIES)]


def _issue(places: list[tuple[str, str, int, str]], error: str) -> str:
    first, second, third, fourth, fifth, sixth = (name for _, name, _, _ in places[:NAMED])
    frames = "\n".join(
        f'  File "/srv/app/{path}", line {line + 4}, in {name}\n    {signature.strip()}'
        for path, name, line, signature in places
    )
    return _REPORT.format(
        first=first, second=second, third=third, fourth=fourth, fifth=fifth, sixth=sixth,
        path=places[0][0], frames=frames, error=error,
    )  # fmt: skip
