"""A model as an agent, from config.yaml to its answer: `kind: model`, with a key of the keyring's."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

SECRET = "sk-very-secret-0123456789"


class Handler(BaseHTTPRequestHandler):
    """Answers every question with its last word, to whoever has the key."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        known = self.headers["authorization"] == f"Bearer {SECRET}"
        self.send_response(200 if known else 401)
        self.end_headers()
        if not known:
            self.wfile.write(b'{"error": {"message": "who are you?", "type": "authentication_error"}}')
            return
        word = asked["messages"][-1]["content"].split()[-1]
        usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0}
        for event in (
            {"model": asked["model"], "choices": [{"delta": {"content": word}, "finish_reason": "stop"}]},
            {"model": asked["model"], "choices": [], "usage": usage},
        ):
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())


@pytest.fixture
def model(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Configure a model that a server of our own plays."""
    for name in [name for name in os.environ if name.lower().endswith(("_proxy", "_key", "_token"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        (shop / ".aurora").mkdir()
        (shop / ".aurora/config.yaml").write_text(
            "tool: model\nbackends:\n  model:\n    kind: model\n    api: openai\n    model: gpt-5\n"
            f"    base_url: http://127.0.0.1:{server.server_port}/v1\n    key: keys:proxy\n"
        )
        (shop / ".aurora/policies.yaml").write_text("agent_recovery: {max_retries: 0}\n")
        (shop / "tasks.md").write_text("- [ ] 1 Say hello\n")
        yield shop
        server.shutdown()
        thread.join()


def test_a_model_does_a_task_with_the_key_that_is_named(aur: Aur, model: Path) -> None:
    (model / ".env").write_text(f"PROXY_API_KEY={SECRET}\n")
    outcome = aur("spawn", "tasks.md", "--json")
    assert outcome.returncode == ExitCode.DONE
    (task,) = json.loads(outcome.stdout)["tasks"]
    assert (task["agent"], task["output"]) == ("model", "hello")
    assert json.loads(aur("budget", "show", "--json").stdout)["consumed_usd"] == 1.25
    assert SECRET not in outcome.stdout + outcome.stderr
    for path in (model / ".aurora").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_without_its_key_a_task_fails_and_says_what_to_do(aur: Aur, model: Path) -> None:
    (task,) = json.loads(aur("spawn", "tasks.md", "--json").stdout)["tasks"]
    assert task["state"] == "failed"
    assert "no key proxy" in task["error"]
    assert "aur keys set proxy" in task["error"]


def test_a_wrong_key_is_an_authentication_failure(aur: Aur, model: Path) -> None:
    (model / ".env").write_text("PROXY_API_KEY=sk-wrong-0123456789\n")
    outcome = aur("spawn", "tasks.md", "--json")
    assert outcome.returncode == ExitCode.NOT_REACHED
    (task,) = json.loads(outcome.stdout)["tasks"]
    assert "who are you?" in task["error"]
    assert "sk-wrong" not in outcome.stdout + outcome.stderr


def test_the_doctor_says_whether_the_key_is_there(aur: Aur, model: Path) -> None:
    def found() -> dict[str, str]:
        agents = json.loads(aur("agents", "doctor", "--json").stdout)["agents"]
        return next(each for each in agents if each["name"] == "model")

    assert (found()["signed_in"], found()["version"]) == ("no", "openai: gpt-5")
    assert "aur keys set proxy" in found()["advice"]
    (model / ".env").write_text(f"PROXY_API_KEY={SECRET}\n")
    assert found()["signed_in"] == "yes"
    assert SECRET not in aur("agents", "doctor").stdout
    assert "agents" in aur("doctor").stdout


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        (f"key: {SECRET}", "key", "must name a key"),
        ("api: telepathy", "api", "must be 'anthropic', "),
        ("base_url: localhost", "base_url", "pattern"),
        ("command: [cat]", "model", "not a setting of kind model"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named_and_a_key_not_repeated(
    aur: Aur, shop: Path, line: str, field: str, reason: str
) -> None:
    (shop / ".aurora").mkdir()
    (shop / ".aurora/config.yaml").write_text(f"backends:\n  model:\n    kind: model\n    model: m\n    {line}\n")
    (shop / "tasks.md").write_text("- [ ] 1 Say hello\n")
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.USAGE
    assert field in outcome.stderr
    assert reason in outcome.stderr
    assert SECRET not in outcome.stderr


def test_a_model_without_a_name_is_refused(aur: Aur, shop: Path) -> None:
    (shop / ".aurora").mkdir()
    (shop / ".aurora/config.yaml").write_text("backends:\n  model: {kind: model}\n")
    (shop / "tasks.md").write_text("- [ ] 1 Say hello\n")
    assert "backends.model.model: is required for kind model" in aur("spawn", "tasks.md").stderr
