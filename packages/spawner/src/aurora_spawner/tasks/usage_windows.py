"""Usage windows: the used share of a plan's window and its reset, as agents and providers report them. Pure.

Messages such as "5-hour limit reached ∙ resets 4:20pm (Europe/Berlin)" are read strictly: a time without a known zone
is local, a time of day that has passed is the next day's, and no reset lies beyond `LONGEST_WINDOW_S`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import tzinfo

LONGEST_WINDOW_S: Final = 8 * 86_400.0
"""The latest reset that is accepted: a week and a day; a later one counts as this."""
TEXT_LENGTH: Final = 4_000
"""The number of characters of a message that are read."""
JUST_PASSED_S: Final = 120.0
"""A time of day that passed this recently is taken as now: clocks differ a little."""
_HOUR_S: Final = 3_600.0
_DAY_S: Final = 86_400.0
_SLACK_S: Final = 600.0
"""The time by which a reset may exceed the length of its window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageWindow:
    """The report of one usage window."""

    name: str = ""
    """Its name: 5-hour, daily, weekly or monthly; empty if not reported."""
    used_percent: float | None = None
    resets_at: float | None = None
    """The Unix time of the reset."""
    exhausted: bool = False
    """True if the provider refuses everything until the reset."""

    @property
    def title(self) -> str:
        """The window's name for people."""
        return f"{self.name} usage limit" if self.name else "usage limit"

    def filled(self, threshold: float | None) -> bool:
        """Returns True if the window is used up, or used to at least `threshold` per cent; None sets no threshold."""
        return self.exhausted or (
            threshold is not None and self.used_percent is not None and self.used_percent >= threshold
        )

    def reset_after(self, now: float) -> float | None:
        """Returns the reset, at most `LONGEST_WINDOW_S` ahead; None if it is not reported or has passed."""
        if self.resets_at is None or not now < self.resets_at < float("inf"):
            return None
        return min(self.resets_at, now + LONGEST_WINDOW_S)


def last_reset(windows: Iterable[UsageWindow], now: float, threshold: float | None = None) -> UsageWindow | None:
    """Returns the window that keeps an account closed longest; None if none does."""
    closed = [window for window in windows if window.filled(threshold) and window.reset_after(now) is not None]
    return max(closed, key=lambda window: window.reset_after(now) or 0.0, default=None)


def name_of_length(minutes: float) -> str:
    """Returns the name of a window of that length; "" if it is none."""
    if not 0 < minutes <= 60 * 24 * 366:
        return ""
    named = {60 * 24: "daily", 60 * 24 * 7: "weekly"}.get(round(minutes))
    return named or (f"{minutes / 60:g}-hour" if minutes >= 60 else f"{minutes:g}-minute")


# Text.

_LIMIT: Final = re.compile(r"\b(?:limits?|quota|usage)\b", re.IGNORECASE)
_OF_A_PLAN: Final = re.compile(
    r"\b(?:usage|weekly|daily|monthly|hourly|session|\d{1,3}[- ]?(?:hours?|hrs?|h|days?)|your|opus|sonnet)\s+"
    r"(?:\w+\s+)?(?:limit|quota)\b",
    re.IGNORECASE,
)
"""A limit of a plan, not a limit of requests a minute."""
_STAMPED: Final = re.compile(r"limit reached\|(\d{10}|\d{13})\b", re.IGNORECASE)
"""The form of older versions of Claude Code."""
_RESETS: Final = re.compile(
    r"(?:\breset(?:s|ting)?|\b(?:try|retry)(?:ing)?(?: it)?(?: again)?|\bavailable(?: again)?|\brefresh(?:es)?)\s*"
    r"(?:(at|on|in|after|:)\s*)?",
    re.IGNORECASE,
)
_UNIT: Final = r"(days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)\b"
_SPAN: Final = re.compile(rf"(\d{{1,6}}(?:\.\d{{1,3}})?)\s?{_UNIT}", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"\s{0,2}(?:,|and)?\s{0,2}(?:and)?\s{0,2}", re.IGNORECASE)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK: Final = r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?(?::\d{2})?\s?(?P<half>[ap]\.?m\b\.?)?"
_ZONE: Final = r"\s?(?:\(?(?P<zone>UTC|GMT|Z|[A-Z][A-Za-z_]{1,20}(?:/[A-Za-z_+\-0-9]{1,30}){1,2})\)?)?"
_DATED: Final = re.compile(
    rf"(?:(?P<word>today|tomorrow|{'|'.join(_DAYS)})[a-z]*"
    rf"|(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?\s(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s(?P<year>\d{{4}}))?"
    rf"|(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\s(?P<month2>{'|'.join(_MONTHS)})[a-z]*(?:,?\s(?P<year2>\d{{4}}))?)"
    rf"(?:,?\s(?:at\s)?{_CLOCK})?{_ZONE}",
    re.IGNORECASE,
)
_ISO: Final = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[T ](?P<time>\d{2}:\d{2}(?::\d{2})?)(?:\.\d{1,9})?"
    r"\s?(?P<zone>Z|UTC|GMT|[+\-]\d{2}:?\d{2})?",
)
_TIME: Final = re.compile(rf"{_CLOCK}{_ZONE}", re.IGNORECASE)
_EPOCH: Final = re.compile(r"(\d{10}|\d{13})\b")
_NAMED: Final = (
    (re.compile(r"\b(\d{1,3})[- ]?(?:hours?|hrs?|h)\b(?:\s\w+)?\s(?:limit|quota|window)", re.IGNORECASE), "{}-hour"),
    (re.compile(r"\bweekly\b", re.IGNORECASE), "weekly"),
    (re.compile(r"\bdaily\b", re.IGNORECASE), "daily"),
    (re.compile(r"\bmonthly\b", re.IGNORECASE), "monthly"),
)
_LENGTHS: Final[Mapping[str, float]] = {"daily": _DAY_S, "weekly": 7 * _DAY_S}


def window_in(text: str, now: float, *, local: tzinfo | None = None) -> UsageWindow | None:
    """Returns the exhausted window that a message reports; None if it reports no window or no reset.

    Args:
        now: The Unix time of the message.
        local: The zone of times without a zone; None takes this machine's zone.
    """
    text = " ".join(text[:TEXT_LENGTH].split())
    if not _LIMIT.search(text):
        return None
    name = next((form.format(*found.groups()) for form, found in _names(text)), "")
    stamp = _STAMPED.search(text)
    at = _from_epoch(stamp[1]) if stamp else None
    for found in _RESETS.finditer(text) if at is None else ():
        at = _moment(text, found.end(), now, local, name=name)
        if at is None and _OF_A_PLAN.search(text) and (span := _span_s(text, found.end())) is not None:
            at = now + span
        if at is not None:
            break
    return None if at is None else UsageWindow(name=name, resets_at=at, exhausted=True)


def _names(text: str) -> list[tuple[str, re.Match[str]]]:
    return [(form, found) for pattern, form in _NAMED if (found := pattern.search(text))]


def _span_s(text: str, place: int) -> float | None:
    """Returns the seconds of a duration such as "3 days 4 hours" at that place; None if there is none."""
    seconds, found = 0.0, _SPAN.match(text, place)
    if found is None:
        return None
    while found is not None:
        unit = {"d": _DAY_S, "h": _HOUR_S, "m": 60.0, "s": 1.0}[found[2][0].lower()]
        seconds += float(found[1]) * unit
        gap = _BETWEEN.match(text, found.end())
        found = _SPAN.match(text, gap.end() if gap else found.end())
    return seconds


def _moment(text: str, place: int, now: float, local: tzinfo | None, *, name: str) -> float | None:
    """Returns the Unix time that the text names at that place; None if it names none."""
    for form, read in _FORMS:
        found = form.match(text, place)
        if found is not None:
            try:
                return read(found, now, local, _length_s(name))
            except (ValueError, OverflowError, OSError):
                return None
    return None


def _length_s(name: str) -> float | None:
    """Returns the length of a window of that name, with some slack; None if it is unknown."""
    hours = name.removesuffix("-hour")
    length = float(hours) * _HOUR_S if hours != name and hours.isdecimal() else _LENGTHS.get(name)
    return None if length is None else length + _SLACK_S


def _iso(found: re.Match[str], _now: float, local: tzinfo | None, _length: float | None) -> float:
    moment = datetime.fromisoformat(f"{found['date']}T{found['time']}")
    offset = found["zone"] or ""
    if offset[:1] in "+-" and offset:
        return datetime.fromisoformat(f"{moment.isoformat()}{offset}").timestamp()
    return _stamp(moment, UTC if offset else local)


def _epoch(found: re.Match[str], _now: float, _local: tzinfo | None, _length: float | None) -> float:
    return _from_epoch(found[1])


def _from_epoch(digits: str) -> float:
    return float(digits) / (1000 if len(digits) == 13 else 1)


def _dated(found: re.Match[str], now: float, local: tzinfo | None, length: float | None) -> float:
    zone = _zone(found["zone"]) or local
    hour, minute = _clock(found) if found["hour"] else (0, 0)
    today = datetime.fromtimestamp(now, zone).replace(tzinfo=None, hour=hour, minute=minute, second=0, microsecond=0)
    word, month = (found["word"] or "").lower(), found["month"] or found["month2"]
    if word in ("today", "tomorrow"):
        return _stamp(today + timedelta(days=word == "tomorrow"), zone)
    if word:
        ahead = (_DAYS.index(word[:3]) - today.weekday()) % 7
        return _upcoming([_stamp(today + timedelta(days=ahead + more), zone) for more in (0, 7)], now, length)
    day = today.replace(day=1, month=_MONTHS.index(month[:3].lower()) + 1)
    number = int(found["day"] or found["day2"])
    year = found["year"] or found["year2"]
    if year:
        return _stamp(day.replace(year=int(year), day=number), zone)
    years = [day.replace(year=today.year + more, day=number) for more in (-1, 0, 1)]
    return _upcoming([_stamp(each, zone) for each in years], now, length or LONGEST_WINDOW_S)


def _time(found: re.Match[str], now: float, local: tzinfo | None, length: float | None) -> float | None:
    """Returns the next such time of day; a time that has just passed is returned as it is."""
    if found["minute"] is None and found["half"] is None:
        return None  # a bare number is no time of day
    zone = _zone(found["zone"]) or local
    hour, minute = _clock(found)
    today = datetime.fromtimestamp(now, zone).replace(tzinfo=None, hour=hour, minute=minute, second=0, microsecond=0)
    return _upcoming([_stamp(today + timedelta(days=more), zone) for more in (-1, 0, 1)], now, length)


def _upcoming(times: list[float], now: float, length: float | None) -> float:
    """Returns the first time ahead; if that exceeds the window's length, the last time that has passed."""
    ahead = next(at for at in times if at >= now - JUST_PASSED_S)
    passed = [at for at in times if at < ahead]
    return passed[-1] if length is not None and passed and ahead - now > length else ahead


def _clock(found: re.Match[str]) -> tuple[int, int]:
    """Returns hour and minute; raises ValueError for an impossible time."""
    hour, minute, half = int(found["hour"]), int(found["minute"] or 0), (found["half"] or "")[:1].lower()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + 12 * (half == "p")
    if hour > 23 or minute > 59:
        raise ValueError(hour, minute)
    return hour, minute


def _zone(name: str | None) -> tzinfo | None:
    """Returns the zone of that name; None, which means the local zone, if it is unknown."""
    if not name:
        return None
    if name.upper() in ("UTC", "GMT", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found, no proper name, a folder of zones
        return None


def _stamp(moment: datetime, zone: tzinfo | None) -> float:
    return moment.replace(tzinfo=zone).timestamp()


_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[..., float | None]], ...]] = (
    (_ISO, _iso),
    (_EPOCH, _epoch),
    (_DATED, _dated),
    (_TIME, _time),
)
