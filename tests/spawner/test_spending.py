"""Attempts within a budget and caps: money is reserved before, measured during, and settled after an attempt."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from aurora_spawner import (
    CliBackend,
    CommandBackend,
    RecoverySettings,
    Run,
    RunOptions,
    SpawnResult,
    SpawnTask,
    TaskState,
)
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.spending.budgeted_executor import BudgetedExecutor
from aurora_spawner.spending.capped_executor import CappedExecutor
from aurora_spawner.spending.meter import UsageMeter
from aurora_spawner.spending.prices import Price, PriceTable, load_prices
from aurora_spawner.supervision.local_executor import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_spawner.tasks.result import RunReport


@dataclass(frozen=True)
class Answer:
    granted: bool
    reason: str = ""
    notices: tuple[str, ...] = ()
    allowance_usd: float | None = None


@dataclass
class Purse:
    """A gate with so much money, of which each attempt is given a unit at a time."""

    money: float
    unit: float = 1.0
    held: dict[str, float] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    settled: dict[str, float | None] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    asked: int = 0
    sharers: list[int] = field(default_factory=list)
    went_on: list[bool] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    most_held: int = 0

    def reserve(
        self,
        *,
        token: str,
        run_id: str,
        task_id: str,
        agent: str,
        model: str | None,
        sharers: int = 0,
        continues_session: bool = False,
    ) -> Answer:
        self.asked += 1
        self.sharers.append(sharers)
        self.went_on.append(continues_session)
        if sum(self.held.values()) + self.unit > self.money:
            return Answer(granted=False, reason="the purse is empty")
        self.held[token] = self.unit
        self.agents[token] = agent
        self.most_held = max(self.most_held, len(self.held))
        return Answer(granted=True, notices=("the purse is light",), allowance_usd=self.unit if sharers else None)

    def observe(self, token: str, spent_usd: float, step_usd: float = 0.0) -> Answer:
        self.steps.append(step_usd)
        return Answer(granted=spent_usd <= self.money, reason=f"{spent_usd:.2f} is too much")

    def settle(self, token: str, cost_usd: float | None) -> None:
        if token in self.held:
            self.settled[token] = cost_usd
            self.money -= self.held.pop(token) if cost_usd is None else cost_usd
            self.held.pop(token, None)

    def release(self, token: str) -> None:
        self.released.append(token)
        self.held.pop(token, None)

    def open_reservations(self, run_id: str) -> Mapping[str, str]:
        return {token: self.agents[token] for token in self.held}


class BrokenPurse(Purse):
    """A gate that cannot be asked."""

    def reserve(self, **_asked: object) -> Answer:
        raise RuntimeError("no ledger")


class ForgetfulPurse(Purse):
    """A gate that fails once something has been spent."""

    def settle(self, token: str, cost_usd: float | None) -> None:
        raise RuntimeError("the ledger is gone")

    def observe(self, token: str, spent_usd: float, step_usd: float = 0.0) -> Answer:
        raise RuntimeError("the ledger is gone")


def claude(answer: str, *, cost: float | None, before: str = "", usage: str = "{}") -> CommandBackend:
    """An agent that speaks Claude Code's dialect."""
    told = "" if cost is None else f', "total_cost_usd": {cost}'
    result = (
        f'{{"type": "result", "subtype": "success", "is_error": false, "result": "{answer}", "usage": {usage}{told}}}'
    )
    program = f"import time, sys\n{before}\nprint('''{result}''')"
    return CommandBackend("paid", (sys.executable, "-c", program), dialect=DIALECTS["claude"])


CAT = CommandBackend("free", ("cat",))


@pytest.fixture
def execute(tmp_path: Path) -> Callable[..., RunReport]:
    """Run tasks under a gate, and return what came of them."""

    def run(tasks: list[SpawnTask], backend: CommandBackend, gate: Purse, **more: object) -> RunReport:
        backends = {"paid": backend, "free": CAT}
        executor = BudgetedExecutor(
            inner=LocalExecutor(grace_s=0.5),
            gate=gate,
            backends=backends,
            free=frozenset({"free"}),
            look_every_s=0.05,
            **more,  # type: ignore[arg-type]
        )
        durable = Run.create(
            tmp_path / "runs.db",
            tasks,
            backends,
            RunOptions(
                default_agent="paid",
                cwd=tmp_path,
                spool=tmp_path / "spool",
                executor=executor,
            ),
        )
        return asyncio.run(durable.execute())

    return run


def test_what_an_agent_tells_is_what_is_settled(execute: Callable[..., RunReport]) -> None:
    purse = Purse(money=5.0)
    told: list[str] = []
    report = execute([SpawnTask("a"), SpawnTask("b")], claude("done", cost=0.25), purse, tell=told.append)
    assert report.ok
    assert list(purse.settled.values()) == [0.25, 0.25]
    assert purse.money == 4.5
    assert told == ["the purse is light"]


def test_what_it_does_not_tell_is_left_to_the_gate(execute: Callable[..., RunReport]) -> None:
    purse = Purse(money=5.0)
    execute([SpawnTask("a")], claude("done", cost=None), purse)
    assert list(purse.settled.values()) == [None]


def test_tokens_become_money_where_the_models_price_is_known(execute: Callable[..., RunReport]) -> None:
    backend = claude(
        "done",
        cost=None,
        before="""print('{"type": "system", "subtype": "init", "session_id": "s", "model": "m-1"}')""",
        usage='{"input_tokens": 1000, "output_tokens": 500}',
    )
    table = PriceTable(prices={"m-1": Price(input=2.0, output=10.0)})
    purse = Purse(money=5.0)
    execute([SpawnTask("a")], backend, purse, prices=table)
    assert list(purse.settled.values()) == [pytest.approx(0.007)]


def test_an_agent_that_does_not_say_which_model_it_used_is_priced_by_the_one_that_was_asked_for(
    execute: Callable[..., RunReport],
) -> None:
    backend = replace(claude("done", cost=None, usage='{"input_tokens": 1000}'), model="m-1")
    table = PriceTable(prices={"m-1": Price(input=2.0, output=0.0), "m-2": Price(input=4.0, output=0.0)})
    purse = Purse(money=9.0)
    execute([SpawnTask("a"), SpawnTask("b", model="m-2")], backend, purse, prices=table)
    assert sorted(each or 0.0 for each in purse.settled.values()) == [pytest.approx(0.002), pytest.approx(0.004)]


TELLS_ITS_LIMIT = """#!/bin/sh
while [ "$1" != --max-budget-usd ]; do shift; done
printf '{"type": "result", "subtype": "success", "is_error": false, "result": "%s", "usage": {}}' "$2"
"""
COMES_TO_IT = """#!/bin/sh
echo '{"type": "assistant", "message": {"id": "1", "content": [{"type": "text", "text": "half of it"}]}}'
echo '{"type": "result", "subtype": "error_max_budget_usd", "is_error": true, "usage": {}, "total_cost_usd": 3.3}'
exit 1
"""


def run_claude(tmp_path: Path, program: str, purse: Purse) -> SpawnResult:
    """A CLI that takes a limit, under recovery."""
    path = tmp_path / "claude"
    path.write_text(program)
    path.chmod(0o755)
    backends = {"claude": CliBackend(name="claude", kind="claude", command=(str(path),))}
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("a")],
        backends,
        RunOptions(
            default_agent="claude",
            cwd=tmp_path,
            spool=tmp_path / "spool",
            recovery=RecoverySettings(state_dir=None),
            executor=BudgetedExecutor(
                inner=LocalExecutor(), gate=purse, backends=backends, prices=load_prices(), look_every_s=60.0
            ),
        ),
    )
    (result,) = asyncio.run(run.execute()).results.values()
    return result


def test_an_agent_that_takes_a_limit_gets_its_allowance(tmp_path: Path) -> None:
    assert run_claude(tmp_path, TELLS_ITS_LIMIT, Purse(money=3.25)).output == "1.000000"


def test_one_that_comes_to_its_limit_is_over_budget_and_not_tried_again(tmp_path: Path) -> None:
    purse = Purse(money=3.25)
    result = run_claude(tmp_path, COMES_TO_IT, purse)
    assert (result.state, result.termination_reason, result.retry_count) == (TaskState.FAILED, "over_budget", 0)
    assert result.error == "it has spent its share of the budget, 3.3000 USD"
    assert result.output == "half of it"
    assert list(purse.settled.values()) == [3.3]


def test_what_was_said_at_the_limit_is_done_if_it_was_the_last_word(tmp_path: Path) -> None:
    """Claude Code looks at its limit after the last call, too: what has ended its turn is finished."""
    done = COMES_TO_IT.replace('"is_error": true', '"is_error": true, "stop_reason": "end_turn"')
    result = run_claude(tmp_path, done, Purse(money=3.25))
    assert (result.state, result.output) == (TaskState.SUCCEEDED, "half of it")


GOES_ON = """#!/bin/sh
cat > /dev/null
echo "$@" >> asked
echo '{"type": "system", "subtype": "init", "session_id": "s-1", "model": "claude-opus-5-5"}'
echo '{"type": "assistant", "message": {"id": "1", "content": [{"type": "text", "text": "some of it"}],'\
'"usage": {"input_tokens": 50000}}}'
echo '{"type": "assistant", "message": {"id": "2", "content": [{"type": "text", "text": "more of it"}],'\
'"usage": {"input_tokens": 25000}}}'
case "$*" in *--resume*) done=success wrong=false ;; *) done=error_max_budget_usd wrong=true ;; esac
echo '{"type": "result", "subtype": "'$done'", "is_error": '$wrong', "usage": {}, "total_cost_usd": 0.5,'\
'"model_usage_since_last_result": {"m": {"costUSD": 0.25}}}'
test $wrong = false
"""


def test_one_that_comes_to_its_share_goes_on_with_its_session_and_another_share(tmp_path: Path) -> None:
    purse = Purse(money=3.25)
    result = run_claude(tmp_path, GOES_ON, purse)
    assert (result.state, result.retry_count) == (TaskState.SUCCEEDED, 0)
    assert result.usage is not None
    assert result.usage.cost_usd == 0.5
    first, second = (tmp_path / "asked").read_text().splitlines()
    assert "--resume" not in first
    assert "--resume s-1" in second
    assert first.endswith("--max-budget-usd 1.000000")
    assert second.endswith("--max-budget-usd 1.000000")
    assert (purse.sharers, purse.went_on) == ([1, 1], [False, True])
    assert list(purse.settled.values()) == [0.25, 0.25]
    dearest = 0.2 * 0.25 / (0.2 + 0.1)  # 0.2 and 0.1 by price, and the agent tells 0.25 for both
    assert purse.steps == [pytest.approx(dearest)] * 2


def test_free_agents_ask_no_gate(execute: Callable[..., RunReport]) -> None:
    purse = Purse(money=0.0)
    assert execute([SpawnTask("a", agent="free")], claude("x", cost=1), purse).ok
    assert purse.asked == 0


def test_what_does_not_fit_waits_for_what_may_come_back(execute: Callable[..., RunReport]) -> None:
    purse = Purse(money=2.5)
    told: list[str] = []
    report = execute([SpawnTask(f"{n}") for n in range(6)], claude("done", cost=0.1), purse, tell=told.append)
    assert report.succeeded == 6
    assert purse.most_held == 2
    waits = [message for message in told if "waits" in message]
    assert len(waits) == 1
    assert "waits until another gives money back: the purse is empty" in waits[0]


def test_what_can_never_fit_fails_and_says_why(execute: Callable[..., RunReport]) -> None:
    purse = Purse(money=2.0)
    report = execute([SpawnTask(f"{n}") for n in range(4)], claude("done", cost=1.0), purse)
    assert (report.succeeded, report.failed) == (2, 2)
    failed = [each for each in report.results.values() if each.state is TaskState.FAILED]
    assert [(each.error, each.termination_reason) for each in failed] == [("the purse is empty", "over_budget")] * 2


def test_an_agent_that_passes_the_budget_is_ended_and_its_work_is_kept(
    execute: Callable[..., RunReport], tmp_path: Path
) -> None:
    said = json.dumps(
        {
            "type": "assistant",
            "message": {
                "id": "1",
                "model": "m-1",
                "content": [{"type": "text", "text": "half of it"}],
                "usage": {"input_tokens": 3_000_000, "output_tokens": 0},
            },
        }
    )
    before = f"open('work.txt', 'w').write('half')\nprint('''{said}''', flush=True)\ntime.sleep(60)"
    table = PriceTable(prices={"m-1": Price(input=1.0, output=1.0)})
    purse = Purse(money=2.0)
    report = execute([SpawnTask("a")], claude("done", cost=9.0, before=before), purse, prices=table)
    (result,) = report.results.values()
    assert (result.state, result.termination_reason) == (TaskState.FAILED, "over_budget")
    assert result.error == "3.00 is too much"
    assert result.output == "half of it"
    assert (tmp_path / "work.txt").read_text() == "half"
    assert list(purse.settled.values()) == [None]  # it never told its cost: what is reserved for it by now counts


def test_an_agent_whose_spending_cannot_be_measured_is_ended(
    execute: Callable[..., RunReport], tmp_path: Path
) -> None:
    """It replaces its output by a pipe, which would block its reader for ever."""
    hide = (
        "import glob, os\n"
        f"(path,) = glob.glob({str(tmp_path / 'spool' / '*' / '*' / 'stdout')!r})\n"
        "os.unlink(path)\nos.mkfifo(path)\ntime.sleep(50)"
    )
    report = execute([SpawnTask("a")], claude("done", cost=1.0, before=hide), Purse(money=9.0))
    (result,) = report.results.values()
    assert (result.state, result.termination_reason) == (TaskState.FAILED, "over_budget")
    assert "what it spends cannot be watched" in str(result.error)


def test_an_agent_that_was_done_before_it_could_be_ended_is_done(execute: Callable[..., RunReport]) -> None:
    """It is ended for the cost in its last message."""
    ignore = "import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))"
    backend = claude("done", cost=9.0, before=ignore)
    slow = replace(
        backend, command=(*backend.command[:-1], backend.command[-1] + "; sys.stdout.flush(); time.sleep(50)")
    )
    report = execute([SpawnTask("a")], slow, Purse(money=2.0))
    assert report.ok


def test_an_attempt_that_cannot_start_gives_its_money_back(execute: Callable[..., RunReport], tmp_path: Path) -> None:
    purse = Purse(money=2.0)
    (tmp_path / "not-a-program").write_text("")
    backend = CommandBackend("paid", ("./not-a-program",), dialect=DIALECTS["claude"])
    report = execute([SpawnTask("a")], backend, purse)
    assert report.failed == 1
    assert (len(purse.released), purse.held, purse.settled) == (1, {}, {})


def test_without_an_answer_from_the_gate_nothing_runs(execute: Callable[..., RunReport], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no ledger"):
        execute([SpawnTask("a")], claude("x", cost=1, before="open('ran', 'w')"), BrokenPurse(money=1.0))
    assert not (tmp_path / "ran").exists()


def agents_alive(mark: str) -> list[int]:
    return [p.pid for p in psutil.process_iter(["cmdline"]) if any(mark in word for word in p.info["cmdline"] or ())]


def test_if_the_gate_fails_at_the_end_of_one_the_others_are_ended_and_that_is_reported(
    execute: Callable[..., RunReport],
) -> None:
    wait = "time.sleep(0.2 if sys.stdin.read().strip() == '0' else 50)  # mark-7f31"
    with pytest.raises(RuntimeError, match="the ledger is gone"):
        execute([SpawnTask(f"{n}") for n in range(3)], claude("x", cost=1, before=wait), ForgetfulPurse(money=9.0))
    assert agents_alive("mark-7f31") == []


def test_where_the_gate_cannot_be_asked_about_a_running_agent_that_is_ended(
    execute: Callable[..., RunReport],
) -> None:
    used = {"type": "assistant", "message": {"id": "1", "model": "m-1", "usage": {"input_tokens": 1000}}}
    before = f"print('''{json.dumps(used)}''', flush=True)\ntime.sleep(50)  # mark-7f32"
    table = PriceTable(prices={"m-1": Price(input=1.0, output=1.0)})
    with pytest.raises(RuntimeError, match="the ledger is gone"):
        execute([SpawnTask("a")], claude("x", cost=1, before=before), ForgetfulPurse(money=9.0), prices=table)
    assert agents_alive("mark-7f32") == []


def test_a_run_has_so_many_attempts_and_each_knows_how_deep_it_is(tmp_path: Path) -> None:
    depth = CommandBackend("deep", ("sh", "-c", "echo $AURORA_DEPTH"))
    executor = CappedExecutor(inner=LocalExecutor(), max_total_spawns=2, depth=1)
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask(f"{number}") for number in range(3)],
        {"deep": depth},
        RunOptions(
            default_agent="deep",
            max_concurrent=1,
            cwd=tmp_path,
            spool=tmp_path / "spool",
            executor=executor,
        ),
    )
    results = list(asyncio.run(run.execute()).results.values())
    assert [each.output.strip() for each in results[:2]] == ["2", "2"]
    assert (results[2].termination_reason, results[2].error) == (
        "over_cap",
        "the run has reached its cap of 2 attempts",
    )


def test_a_later_execution_counts_the_attempts_of_the_earlier_ones(tmp_path: Path) -> None:
    executor = CappedExecutor(inner=LocalExecutor(), max_total_spawns=5, spawned=5)
    run = Run.create(
        tmp_path / "runs.db", [SpawnTask("x")], {"free": CAT}, RunOptions(default_agent="free", cwd=tmp_path,
        spool=tmp_path / "spool", executor=executor,)
    )  # fmt: skip
    assert asyncio.run(run.execute()).failed == 1


def test_what_the_cli_says_itself_is_no_call_of_a_model(tmp_path: Path) -> None:
    used = {"input_tokens": 5, "output_tokens": 7}
    said = [
        {"type": "assistant", "message": {"id": "m1", "model": "claude-opus-5-5", "usage": used, "content": []}},
        {"type": "assistant", "message": {"id": "m2", "model": "<synthetic>", "usage": {}, "content": []}},
    ]
    (tmp_path / "stdout").write_text("".join(f"{json.dumps(each)}\n" for each in said))
    meter = UsageMeter(DIALECTS["claude"], tmp_path / "stdout")
    reply = meter.read()
    assert reply is not None
    assert reply.model == "claude-opus-5-5"
    assert [call.output_tokens for call in meter.calls] == [7]
