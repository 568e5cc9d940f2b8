"""An answer says its point first, cites every line, and names what it does not know."""

from __future__ import annotations

from aurora_soar import read_question
from aurora_soar.evidence.agent_outputs import AgentOutput
from aurora_soar.evidence.evidence import Aspect, Evidence, Finding, FindingKind
from aurora_soar.phases.compose import compose
from aurora_soar.question.focus import Focus

QUESTION = read_question("How does the scheduler decide what runs next?")
FOCUS = Focus(weights={"scheduler": 0.6, "runs": 0.4}, stems={}, unknown=())

TICK = Finding(
    kind=FindingKind.DEFINITION,
    file="beat.py",
    line=10,
    line_end=30,
    symbol="Scheduler.tick",
    text="def tick(self)",
    detail="Run one iteration.",
)
STEP = Finding(
    kind=FindingKind.STEP, file="beat.py", line=14, line_end=14, symbol="Scheduler.tick", text="event = heappop(H)"
)
SAID = Finding(
    kind=FindingKind.STATEMENT,
    file="guide.md",
    line=3,
    line_end=3,
    symbol="Guide",
    text="The earliest task runs first.",
)
CALLER = Finding(
    kind=FindingKind.CALLER,
    file="main.py",
    line=7,
    line_end=7,
    symbol="Service.start",
    text="delay = scheduler.tick()",
    about="Scheduler.tick",
)
CALLEE = Finding(
    kind=FindingKind.CALLEE,
    file="heap.py",
    line=2,
    line_end=4,
    symbol="heappop",
    text="def heappop(h)",
    about="Scheduler.tick",
    detail="Remove the smallest.",
)
TEST = Finding(
    kind=FindingKind.TEST, file="tests/test_beat.py", line=5, line_end=9, symbol="test_tick", text="def test_tick()"
)


def output(index: int, aspect: Aspect, *findings: Finding, error: str | None = None) -> AgentOutput:
    evidence = Evidence(aspect=aspect, focus="scheduler", findings=findings, searched=1)
    return AgentOutput(
        subgoal_index=index,
        agent_id="local",
        success=error is None,
        evidence=None if error else evidence,
        confidence=1.0,
        duration_ms=1.0,
        exit_code=0,
        termination_reason=None,
        error=error,
    )


OUTPUTS = [
    output(0, Aspect.DEFINITIONS, TICK, STEP),
    output(1, Aspect.STATEMENTS, SAID),
    output(2, Aspect.FLOW, CALLER, CALLEE),
    output(3, Aspect.TESTS, TEST),
]
EVERYTHING = frozenset([TICK, STEP, SAID, CALLER, CALLEE, TEST])


def test_the_point_comes_first_with_its_place() -> None:
    text = compose(QUESTION, FOCUS, OUTPUTS, EVERYTHING).text
    first, second = text.splitlines()[:2]
    assert "`Scheduler.tick` (`beat.py:10`)" in first
    assert "Run one iteration." in first
    assert "The earliest task runs first." in second


def test_every_aspect_has_a_heading_that_names_its_agent() -> None:
    text = compose(QUESTION, FOCUS, OUTPUTS, EVERYTHING).text
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert len(headings) == 4
    assert all(heading.endswith("(Agent: local)") for heading in headings)


def test_every_bullet_cites_a_place() -> None:
    answer = compose(QUESTION, FOCUS, OUTPUTS, EVERYTHING)
    bullets = [line for line in answer.text.splitlines() if line.lstrip().startswith("- ")]
    assert len(bullets) == 6
    places = {f"(`{f.file}:{f.line}`)" for f in answer.used}
    assert all(any(bullet.endswith(place) for place in places) for bullet in bullets)


def test_what_is_called_comes_before_who_calls() -> None:
    text = compose(QUESTION, FOCUS, OUTPUTS, EVERYTHING).text
    assert text.index("calls `heappop`") < text.index("is called by `Service.start`")


def test_steps_stand_under_their_definition() -> None:
    lines = compose(QUESTION, FOCUS, OUTPUTS, EVERYTHING).text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("- `def tick(self)`"))
    assert lines[at + 1].startswith("  - `event = heappop(H)`")


def test_unsound_findings_are_left_out() -> None:
    answer = compose(QUESTION, FOCUS, OUTPUTS, EVERYTHING - {SAID, CALLER})
    assert "earliest" not in answer.text
    assert "main.py" not in answer.text
    assert SAID not in answer.used


def test_nothing_found_is_said_with_the_words_that_were_looked_for() -> None:
    answer = compose(QUESTION, FOCUS, [output(0, Aspect.DEFINITIONS)], frozenset())
    assert answer.text.startswith("Nothing in this project's memory mentions: scheduler, runs.")
    assert answer.used == ()


def test_unknown_words_and_failed_agents_are_named() -> None:
    focus = Focus(weights={"scheduler": 0.5, "flux": 0.5}, stems={}, unknown=("flux",))
    outputs = [OUTPUTS[0], output(1, Aspect.STATEMENTS, error="timeout after 120 s")]
    text = compose(QUESTION, focus, outputs, EVERYTHING).text
    assert "Nothing in the project mentions: flux." in text
    assert "Subgoal 2 (Agent: local) failed: timeout after 120 s." in text


def test_a_comparison_names_its_sides() -> None:
    question = read_question("difference between the lexer and the parser")
    text = compose(question, FOCUS, [output(0, Aspect.DEFINITIONS, TICK)], EVERYTHING).text
    assert "## Where it happens: scheduler (Agent: local)" in text
