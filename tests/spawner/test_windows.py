"""Usage windows in the words of agents: when they reset, whatever the zone, the day or the nonsense."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_spawner.tasks.usage_windows import (
    LONGEST_WINDOW_S,
    TEXT_LENGTH,
    UsageWindow,
    last_reset,
    name_of_length,
    window_in,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 9, 29, 12, 0, tzinfo=UTC).timestamp()


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, *, zone: "ZoneInfo | None" = None) -> float:
    return datetime(year, month, day, hour, minute, tzinfo=zone or UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "resets_at", "name"),
    [
        ("5-hour limit reached ∙ resets 4:20pm (Europe/Berlin)", at(2026, 9, 29, 16, 20, zone=BERLIN), "5-hour"),
        ("5-hour limit reached ∙ resets 4pm (UTC)", at(2026, 9, 29, 16), "5-hour"),
        ("You've hit your limit · resets 5:50am (UTC)", at(2026, 9, 30, 5, 50), ""),
        ("You've hit your session limit · resets 3pm (UTC)", at(2026, 9, 29, 15), ""),
        ("weekly limit reached ∙ resets Oct 3, 9am", at(2026, 10, 3, 9), "weekly"),
        ("You've hit your weekly limit · resets Oct 3 at 9am (Europe/Berlin)", at(2026, 10, 3, 7), "weekly"),
        ("Weekly limit reached ∙ resets Monday 9:30 AM UTC", at(2026, 10, 5, 9, 30), "weekly"),
        ("Opus weekly limit reached ∙ resets tomorrow at 9am", at(2026, 9, 30, 9), "weekly"),
        (
            "You've hit your usage limit. Upgrade to Pro or try again in 3 days 4 hours.",
            NOW + 76 * 3600,
            "",
        ),
        ("You've hit your usage limit. Try again in 3 days, 4 hours and 5 minutes.", NOW + 76 * 3600 + 300, ""),
        ("You've hit your usage limit. Try again in 45 minutes.", NOW + 2700, ""),
        (
            "You\u2019ve hit your usage limit. To purchase more credits, visit us, or try again at 5:49 PM.",
            at(2026, 9, 29, 17, 49),
            "",
        ),
        ("You\u2019ve hit your usage limit, or try again at Oct 2nd, 2026 7:49 AM.", at(2026, 10, 2, 7, 49), ""),
        ("Claude AI usage limit reached|1790690400", 1790690400.0, ""),
        ("usage limit reached, resets at 2026-10-02T09:00:00Z", at(2026, 10, 2, 9), ""),
        ("usage limit reached, resets at 2026-10-02 09:00:00+02:00", at(2026, 10, 2, 7), ""),
        ("daily limit: resets 00:00 UTC", at(2026, 9, 30), "daily"),
        ("usage limit reached, resets Oct 3", at(2026, 10, 3), ""),
        ("usage limit reached, resets 3 Oct 14:05", at(2026, 10, 3, 14, 5), ""),
        ("rate limit reached, resets at 16:20", at(2026, 9, 29, 16, 20), ""),
    ],
)
def test_the_reset_is_read(text: str, resets_at: float, name: str) -> None:
    found = window_in(text, NOW, local=UTC)
    assert found is not None
    assert found.exhausted
    assert found.resets_at is not None
    assert datetime.fromtimestamp(found.resets_at, UTC) == datetime.fromtimestamp(resets_at, UTC)
    assert found.name == name


@pytest.mark.parametrize(
    "text",
    [
        "Rate limit reached. Please try again in 12s.",
        "Rate limit reached. Please try again later.",
        "rate limited, retry-after: 999999999999",
        "service unavailable, try again at 5pm",
        "usage limit reached, resets at 25:70",
        "usage limit reached, resets at 13pm",
        "usage limit reached, resets Feb 31, 9am",
        "usage limit reached, resets 7",
        "usage limit reached, resets soon",
        "weekly limit reached",
        "You have exhausted your daily quota on this model.",
        "",
    ],
)
def test_what_is_no_window_with_a_reset_is_none(text: str) -> None:
    assert window_in(text, NOW, local=UTC) is None


@pytest.mark.parametrize("zone", ["(Nowhere/Atall)", "(Europe)", "(../../etc/passwd)", ""])
def test_an_unknown_zone_is_the_local_one(zone: str) -> None:
    found = window_in(f"5-hour limit reached ∙ resets 4:20pm {zone}", NOW, local=BERLIN)
    assert found is not None
    assert found.resets_at == at(2026, 9, 29, 16, 20, zone=BERLIN)


def test_a_reset_that_has_just_passed_is_not_tomorrows() -> None:
    """A five-hour window cannot reset in 23 hours; and clocks differ by a minute."""
    now = at(2026, 9, 29, 16, 30)
    found = window_in("5-hour limit reached ∙ resets 4:20pm (UTC)", now, local=UTC)
    assert found is not None
    assert found.resets_at == at(2026, 9, 29, 16, 20)
    assert found.reset_after(now) is None
    skewed = window_in("You've hit your limit · resets 4:20pm (UTC)", at(2026, 9, 29, 16, 21), local=UTC)
    assert skewed is not None
    assert skewed.reset_after(at(2026, 9, 29, 16, 21)) is None
    dated = window_in("weekly limit reached, resets Sep 28, 9am", NOW, local=UTC)
    assert dated is not None
    assert dated.reset_after(NOW) is None


def test_the_next_day_is_the_next_day_where_clocks_change() -> None:
    night = at(2026, 10, 24, 20)
    found = window_in("usage limit reached, resets 4am (Europe/Berlin)", night)
    assert found is not None
    assert found.resets_at == at(2026, 10, 25, 3), "25 October has 25 hours there"


def test_a_reset_is_believed_eight_days_at_most() -> None:
    far = window_in("You've hit your usage limit. Try again in 4000 days.", NOW)
    assert far is not None
    assert far.reset_after(NOW) == NOW + LONGEST_WINDOW_S
    assert UsageWindow(exhausted=True, resets_at=float("inf")).reset_after(NOW) is None
    assert UsageWindow(exhausted=True, resets_at=float("nan")).reset_after(NOW) is None


def test_the_window_that_closes_longest_decides() -> None:
    five = UsageWindow(name="5-hour", used_percent=97.0, resets_at=NOW + 100)
    week = UsageWindow(name="weekly", used_percent=96.0, resets_at=NOW + 900)
    calm = UsageWindow(name="daily", used_percent=10.0, resets_at=NOW + 9_000)
    assert last_reset([five, week, calm], NOW, 95.0) is week
    assert last_reset([five, week, calm], NOW, 96.5) is five
    assert last_reset([five, week, calm], NOW, None) is None
    assert last_reset([five, week, calm], NOW + 1_000, 95.0) is None


def test_windows_are_named_by_their_length() -> None:
    lengths = (300, 1440, 10080, 30, 0, -5, 1e18, float("nan"))
    assert [name_of_length(each) for each in lengths] == ["5-hour", "daily", "weekly", "30-minute", "", "", "", ""]


WORDS = "usage,limit,resets,try again,at,in,4:20,pm,am,99,Oct,Feb,31,2026,9999,0000-00-00,T25:61,(Europe/Berlin),(Z"
FRAGMENTS = st.sampled_from([*WORDS.split(","), "days", "hours", "monday", "|", "1790690400123", "\x00"])


SPANS = st.builds(
    "{} {} {}".format,
    st.sampled_from(["usage limit, try again in", "your weekly limit: retry after", "quota: resets in"]),
    st.integers(0, 10**7) | st.floats(0, 1e6),
    st.sampled_from(["days", "hours", "m", "seconds", "days and 99 hours"]),
)


@given(st.text() | st.lists(FRAGMENTS, max_size=12).map(" ".join) | SPANS, st.floats(0, 4e9))
def test_any_text_gives_a_bounded_reset_or_none(text: str, now: float) -> None:
    found = window_in(text, now)
    if found is not None:
        reset = found.reset_after(now)
        assert reset is None or now < reset <= now + LONGEST_WINDOW_S


@pytest.mark.parametrize("piece", ["resets ", "try again in 1 day ", "limit ", "resets 1", "1 h ", "resets Oct 3 "])
def test_long_text_is_read_so_far_and_no_further(piece: str) -> None:
    beginning = "usage limit " + piece * 200_000
    found = window_in(beginning + " daily limit reached, resets Oct 4, 9am", NOW, local=UTC)
    assert found == window_in(beginning[:TEXT_LENGTH], NOW, local=UTC)
