"""An answer says its point first, cites every line, and names what it does not know."""

from __future__ import annotations

from aurora_soar import read_question
from aurora_soar.evidence.agent_outputs import AgentOutput
from aurora_soar.evidence.evidence import Aspect, Evidence, Finding, FindingKind
from aurora_soar.phases.compose_answer import compose
from aurora_soar.question.focus import Focus
from aurora_soar.question.presence import Presence

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
    first = compose(QUESTION, FOCUS, OUTPUTS, EVERYTHING).text.splitlines()[0]
    assert first == "`Scheduler.tick` (`beat.py:10`): “Run one iteration.”"


def test_every_aspect_has_a_heading_that_names_its_agent() -> None:
    text = compose(QUESTION, FOCUS, OUTPUTS, EVERYTHING).full
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert len(headings) == 4
    assert all(heading.endswith("(Agent: local)") for heading in headings)


def test_every_bullet_cites_a_place() -> None:
    answer = compose(QUESTION, FOCUS, OUTPUTS, EVERYTHING)
    places = {f"(`{f.file}:{f.line}`)" for f in EVERYTHING}
    for text in (answer.text, answer.full):
        bullets = [line for line in text.splitlines() if line.lstrip().startswith("- ")]
        assert len(bullets) >= 4
        assert all(any(bullet.endswith(place) for place in places) for bullet in bullets)


def test_who_calls_comes_before_what_is_called() -> None:
    text = compose(QUESTION, FOCUS, OUTPUTS, EVERYTHING).full
    assert text.index("`Service.start` calls `Scheduler.tick`") < text.index("calls `heappop`")


def test_steps_stand_under_their_definition() -> None:
    lines = compose(QUESTION, FOCUS, OUTPUTS, EVERYTHING).full.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("- `def tick(self)`"))
    assert lines[at + 1].startswith("  - `event = heappop(H)`")


def test_the_short_form_says_nothing_twice_and_is_short() -> None:
    many = [TEST.model_copy(update={"line": n, "symbol": f"test_{n}"}) for n in range(1, 40)]
    outputs = [*OUTPUTS[:3], output(3, Aspect.TESTS, *many)]
    answer = compose(QUESTION, FOCUS, outputs, EVERYTHING | frozenset(many))
    assert answer.text.count("\n") <= 16
    assert answer.text.count("beat.py:10") == 1
    assert answer.full.count("test_beat.py") == 39


def test_unsound_findings_are_left_out() -> None:
    answer = compose(QUESTION, FOCUS, OUTPUTS, EVERYTHING - {SAID, CALLER})
    assert "earliest" not in answer.full
    assert "main.py" not in answer.full
    assert SAID not in answer.used


def test_nothing_found_is_said_with_the_words_that_were_looked_for() -> None:
    answer = compose(QUESTION, FOCUS, [output(0, Aspect.DEFINITIONS)], frozenset())
    assert answer.text.startswith("No place was found that answers this: scheduler, runs.")
    assert answer.used == ()


def test_what_is_missing_comes_first_and_failed_agents_are_named() -> None:
    presence = Presence(
        names=("Flux",), words=("relay",), decisive=True, share=0.7, elsewhere={"Flux": "news.md:3"}, nearest={}
    )
    outputs = [OUTPUTS[0], output(1, Aspect.STATEMENTS, error="timeout after 120 s")]
    text = compose(QUESTION, FOCUS, outputs, EVERYTHING, presence).text
    assert text.startswith(
        "Not found in this project's code: `Flux`, relay (only documents and tests mention Flux: `news.md:3`)"
    )
    assert "Subgoal 2 (Agent: local) failed: timeout after 120 s." in text


def test_a_change_is_given_its_place_and_then_what_is_new() -> None:
    presence = Presence(names=("Flux",), decisive=True, share=0.6, elsewhere={}, nearest={})
    question = read_question("Add a Flux relay to the scheduler")
    first, second = compose(question, FOCUS, OUTPUTS, EVERYTHING, presence).text.splitlines()[:2]
    assert first.startswith("The place for it is `Scheduler.tick`")
    assert second == "Not there yet: Flux."


def test_a_doubtful_call_says_so() -> None:
    doubtful = CALLER.model_copy(update={"kind": FindingKind.MAYBE_CALLER})
    outputs = [OUTPUTS[0], output(1, Aspect.FLOW, doubtful)]
    text = compose(QUESTION, FOCUS, outputs, EVERYTHING | {doubtful}).text
    assert "`Service.start` calls a `Scheduler.tick`, perhaps this one" in text


def test_a_comparison_sets_its_sides_beside_each_other() -> None:
    question = read_question("difference between Scheduler.tick and heappop")
    other = CALLEE.model_copy(update={"kind": FindingKind.DEFINITION})
    outputs = [output(0, Aspect.DEFINITIONS, TICK), output(1, Aspect.DEFINITIONS, other)]
    text = compose(question, FOCUS, outputs, EVERYTHING | {other}).text
    assert "| | `tick` | `heappop` |" in text
    assert "| signature | `(self)` | `(h)` |" in text
    assert "| lines | 21 | 3 |" in text
