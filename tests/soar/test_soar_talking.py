"""How each agent is talked with, as `aur doctor` says it: the same words as its conversation's own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aurora_policies import PoliciesEngine
from aurora_soar.doctor.agents import check_agents
from aurora_soar.doctor.checks import Level, run_checks
from aurora_soar.doctor.talking import talking_of
from aurora_spawner import Backend, CliBackend, CommandBackend, ModelBackend
from aurora_spawner.backends.profiles import PROFILES
from aurora_spawner.conversations.acp import messages
from aurora_spawner.conversations.orders import SessionOrders
from aurora_spawner.conversations.transports import conversation_with, talking_backend
from aurora_spawner.supervision.local_executor import LocalExecutor

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.conversations.port import Began

AGENTS: dict[str, Backend] = {
    **{kind: CliBackend(name=kind, kind=kind) for kind in PROFILES},
    "exec": CliBackend(name="exec", kind="codex", args=("--color", "never")),
    "mine": CommandBackend("mine", ("true",), conversation="acp"),
    "lines": CommandBackend("lines", ("true",), conversation="json-lines"),
    "cat": CommandBackend("cat", ("cat",)),
    "m": ModelBackend(name="m", api="openai", model="m", history_tokens=900),
}
OVER_ACP = {"gemini", "opencode", "qwen", "copilot", "mine"}


@pytest.fixture
def without_acp(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is not installed, as far as can be seen."""
    monkeypatch.setattr(messages, "find_spec", lambda _name: None)


async def test_the_words_are_those_of_the_conversation(tmp_path: Path) -> None:
    async def started(_began: Began) -> None:
        """Nothing starts."""

    orders = SessionOrders(run_id="r", cwd=tmp_path, spool=tmp_path, environ={})
    executor = LocalExecutor(detached=False)
    talking = talking_of({"local": CommandBackend("local", ("true",)), **AGENTS})
    assert talking.ways == {"local": ""} | {
        name: conversation_with(talking_backend(each), orders, started, executor=executor).words
        for name, each in AGENTS.items()
    }
    assert {name for name, way in talking.ways.items() if "Agent Client Protocol" in way} == OVER_ACP
    assert "mine: one process, by the Agent Client Protocol" in talking.sentence
    assert talking.sentence.endswith("the extra `acp` is installed")
    executor.close()


@pytest.mark.usefixtures("without_acp")
def test_what_cannot_be_talked_with_is_told_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(talking_of(AGENTS).lacking) == OVER_ACP
    assert talking_of({}).sentence == "no agent that can be talked with is here; the extra `acp` is not installed"
    (tmp_path / ".aurora").mkdir()
    (tmp_path / ".aurora" / "config.yaml").write_text(
        "backends:\n  mine: {kind: command, command: ['true'], conversation: acp}\n"
    )
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("AURORA_TRUST", "1")
    found = next(each for each in run_checks(tmp_path, os.environ) if each.check == "interact")
    assert (found.level, found.advice) == (Level.WARN, "pip install 'aurora-spawner[acp]'")
    assert found.message == "mine cannot be talked with: the extra `acp` is not installed"
    checked = check_agents(
        {"mine": AGENTS["mine"]}, {}, home=tmp_path, folder=tmp_path, policies=PoliciesEngine.load(None)
    )
    mine = next(each for each in checked if each.name == "mine")
    assert (mine.talks, mine.advice) == (
        "one process, by the Agent Client Protocol",
        "to talk with it: pip install 'aurora-spawner[acp]'",
    )
