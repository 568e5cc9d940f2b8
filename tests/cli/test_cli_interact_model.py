"""`aur interact` with a model itself: what was said survives a kill, calls are paid, and what is missing is named."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from tests.cli.talks import talks_begun
from tests.cli.waiting import wait_for
from tests.model_server import model_server

from aurora_cli.exits import ExitCode
from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.cli.talks import Talk
    from tests.model_server import ModelServer

    Aur = Callable[..., CompletedProcess[str]]
    Begin = Callable[..., Talk]


@pytest.fixture
def server(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """Serves a model that has a price, one that has none, and one whose key is nowhere."""
    for name in [name for name in os.environ if name.lower().endswith(("_proxy", "_key", "_token"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    with model_server() as found:
        (shop / ".aurora").mkdir()
        (shop / ".aurora/config.yaml").write_text(
            "tool: model\nbackends:\n"
            f"  model: {{kind: model, model: gpt-5, base_url: '{found.base_url}'}}\n"
            f"  unknown: {{kind: model, model: no-such-model, base_url: '{found.base_url}'}}\n"
            f"  keyless: {{kind: model, model: gpt-5, base_url: '{found.base_url}', key: keys:nowhere}}\n"
        )
        yield found


@pytest.fixture
def begin(server: ModelServer) -> Iterator[Begin]:
    assert server.base_url
    with talks_begun() as begun:
        yield begun


def test_a_conversation_with_a_model_goes_on_after_a_kill_and_is_paid(
    aur: Aur, begin: Begin, server: ModelServer
) -> None:
    talk = begin("My word is plum")
    assert "the earlier turns up to 32,000 tokens" in talk.until("ready")["transport"]
    talk.until("turn_over", turn=1)
    talk.tell(say="slow")
    talk.until("text", turn=2)
    talk.until("text", turn=2)
    shown = "".join(each["text"] for each in talk.seen if each["event"] == "text" and each["turn"] == 2)
    talk.kill()
    wait_for(lambda: processes_of_run(talk.id) == [])
    again = begin("--resume", talk.id)
    cut = again.until("earlier", number=2)
    assert cut["state"] == "cut off"
    assert cut["messages"][1]["content"].startswith(shown)
    assert again.say("now recall") == f"u:My a:plum u:slow a:{cut['messages'][1]['content']} u:now"
    assert [each["how"] for each in again.seen if each["event"] == "ready"] == ["is told the earlier turns"]
    assert "(cut off)" in server.asked[-1]["messages"][3]["content"]
    assert again.leave() == ExitCode.DONE
    usage = again.seen[-2]["usage"]
    assert usage["input_tokens"] == 100_000
    assert json.loads(aur("budget", "show", "--json").stdout)["consumed_usd"] >= 2 * 0.125


def test_a_model_without_a_key_or_a_price_is_named_and_another_goes_on(
    aur: Aur, begin: Begin, server: ModelServer
) -> None:
    assert aur("budget", "set", "--monthly", "5").returncode == ExitCode.DONE
    talk = begin("--agent", "keyless")
    talk.tell(say="Hello")
    over = talk.until("turn_over")
    assert (over["state"], "no key nowhere" in over["problem"]) == ("failed", True)
    assert "aur keys set nowhere" in over["problem"]
    talk.tell(switch="unknown")
    assert "neither no-such-model nor its provider" in talk.until("error")["problem"]
    assert server.asked == [], "neither was called"
    talk.tell(switch="model")
    assert talk.say("count") == "1"
    assert talk.leave() == ExitCode.USAGE
