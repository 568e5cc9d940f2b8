"""`aur soar`: a question, answered from a folder that nobody set up."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, Popen

import pytest
from tests.cli.waiting import wait_for
from tests.exhaustive import few

from aurora_cli.exits import ExitCode

Aur = Callable[..., CompletedProcess[str]]
QUESTION = "How does the till add up prices?"


def test_a_folder_that_was_never_set_up_is_set_up_and_answered(aur: Aur, shop: Path) -> None:
    outcome = aur("soar", QUESTION)
    assert outcome.returncode == ExitCode.DONE
    assert "setting up a project" in outcome.stderr
    assert "src/shop/till.py:" in outcome.stdout
    assert "Confidence" in outcome.stdout
    assert list((shop / ".aurora" / "logs" / "conversations").rglob("*.md"))


def test_words_need_no_quotes(aur: Aur, shop: Path) -> None:
    document = json.loads(aur("soar", "where", "is", "price_of", "--json").stdout)
    assert document["query"] == "where is price_of"


def test_quiet_tells_the_answer_alone(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    outcome = aur("soar", QUESTION, "--verbosity", "quiet")
    assert outcome.stderr == ""
    assert "Confidence" not in outcome.stdout


def test_normal_tells_each_agents_end(aur: Aur, shop: Path) -> None:
    outcome = aur("soar", QUESTION)
    assert "[Agent 1/" in outcome.stderr
    assert "phase1_assess" not in outcome.stderr


def test_verbose_tells_the_phases_too(aur: Aur, shop: Path) -> None:
    outcome = aur("soar", QUESTION, "--verbosity", "verbose")
    assert "phase1_assess: " in outcome.stderr
    assert "phase8_respond: " in outcome.stderr


def test_json_is_the_conversation_logs_document(aur: Aur, shop: Path) -> None:
    document = json.loads(aur("soar", QUESTION, "--json").stdout)
    assert document["query"] == QUESTION
    assert set(document["phases"]) >= {"phase1_assess", "phase5_collect", "phase8_respond"}
    (log,) = (shop / ".aurora" / "logs" / "conversations").rglob("*.md")
    kept = json.loads(log.read_text().rpartition("```json\n")[2].rpartition("\n```")[0])
    assert list(kept["phases"]) == list(document["phases"])
    assert (kept["query_id"], kept["phases"]["phase5_collect"]) == (
        document["query_id"],
        document["phases"]["phase5_collect"],
    )


def test_changed_files_are_seen_unless_told_otherwise(aur: Aur, shop: Path) -> None:
    aur("mem", "index")
    code = 'def walnut_discount() -> int:\n    """Take a tenth off walnuts."""\n    return 10\n'
    (shop / "src/shop/discount.py").write_text(code, encoding="utf-8")
    old = aur("soar", "where is walnut_discount", "--no-index").stdout
    assert old.startswith("Not in the index: `walnut_discount` (`src/shop/discount.py:1`); `aur mem index` brings it")
    assert "discount.py:1" in aur("soar", "where is walnut_discount").stdout


def test_no_answer_with_a_source_is_a_goal_not_reached(aur: Aur, shop: Path) -> None:
    outcome = aur("soar", "zebra quantum flux")
    assert (outcome.returncode, "zebra" in outcome.stdout) == (ExitCode.NOT_REACHED, True)


@pytest.mark.parametrize("question", ["", "   ", "??"])
def test_a_question_without_a_word_is_refused_before_anything_is_made(aur: Aur, shop: Path, question: str) -> None:
    outcome = aur("soar", question)
    assert outcome.returncode == ExitCode.USAGE
    assert not (shop / ".aurora").exists()


def test_no_question_at_all_is_a_usage_error(aur: Aur, shop: Path) -> None:
    outcome = aur("soar")
    assert outcome.returncode == ExitCode.USAGE
    assert "QUERY" in outcome.stderr


def test_policies_that_make_no_sense_stop_it_with_file_line_and_field(aur: Aur, shop: Path) -> None:
    aur("init", "--no-index")
    (shop / ".aurora" / "policies.yaml").write_text(
        "budget:\n  monthly_limit_usd: much\n  warn: 3\n", encoding="utf-8"
    )
    outcome = aur("soar", QUESTION)
    assert outcome.returncode == ExitCode.USAGE
    assert "policies.yaml:2:3: budget.monthly_limit_usd" in outcome.stderr
    assert "policies.yaml:3:3: budget.warn" in outcome.stderr
    assert outcome.stdout == ""


def test_more_agents_at_once_than_make_sense_is_a_usage_error(aur: Aur, shop: Path) -> None:
    assert aur("soar", QUESTION, "--max-concurrent", "0").returncode == ExitCode.USAGE


MODEL = """
import json, sys
prompt = sys.stdin.read()
if "Cut this goal" in prompt:
    subgoals = [{"description": "Read the till", "ideal_agent": "thinker", "assigned_agent": "thinker"}]
    print(json.dumps({"goal": "g", "subgoals": subgoals}))
elif "Write the answer" in prompt:
    answer = "The till adds up prices one by one (Agent: thinker) (src/shop/till.py:1)."
    print(json.dumps({"answer": answer, "conflicts": []}))
else:
    print("- prices are added up here (src/shop/till.py:1)")
"""
WHY = "Explain how the till adds up prices, and why that is done one by one"


@pytest.fixture
def thinker(shop: Path) -> Path:
    """A program that answers as a model would, configured as an agent; it is no code that prompts could quote."""
    (shop / ".aurora").mkdir(exist_ok=True)
    (shop / ".aurora" / "thinker.py").write_text(MODEL)
    config = "backends:\n  thinker: {kind: command, command: [python3, .aurora/thinker.py]}\n"
    (shop / ".aurora" / "config.yaml").write_text(config)
    return shop


@pytest.mark.usefixtures("thinker")
def test_a_named_agent_plans_looks_and_writes(aur: Aur) -> None:
    outcome = aur("soar", WHY, "--tool", "thinker", "--json")
    document = json.loads(outcome.stdout)
    phases = document["phases"]
    assert [each["agent"] for each in phases["phase4_verify"]["subgoals_detailed"]] == ["thinker"]
    assert phases["phase6_synthesize"]["metadata"]["written_by"] == "thinker"
    assert phases["phase6_synthesize"]["sources"] == [{"file": "src/shop/till.py", "line": 1}]
    assert document["total_cost_usd"] is None, "nobody told, and unknown is not nothing"
    assert "[Agent 1/1] thinker: completed" in outcome.stderr


@pytest.mark.parametrize(("where", "shown"), few([("Cut this goal", False), ("Write the answer", True)], 1))
def test_an_interrupt_is_said_with_the_command_that_continues(
    start_aur: Callable[..., Popen[str]], aur: Aur, thinker: Path, where: str, shown: bool
) -> None:
    hang = f"if {where!r} in prompt:\n    import time\n    open('hangs', 'w').close()\n    time.sleep(600)\n"
    (thinker / ".aurora" / "thinker.py").write_text(MODEL.replace('if "Cut this', f'{hang}if "Cut this'))
    process = start_aur("soar", WHY, "--tool", "thinker")
    while not (thinker / "hangs").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    question = json.loads(aur("runs", "list", "--json").stdout)["runs"][-1]
    assert (question["kind"], question["resumable"]) == ("soar", True)
    assert f"interrupted; aur soar --resume {question['run_id']} continues it\n" in err
    assert out.startswith("Interrupted: this rests on what was found until then.\n") is shown
    assert ("till.py:" in out, out == "") == (shown, not shown)


@pytest.mark.parametrize(
    ("where", "again"), [("Cut this goal", ["soar", "--resume"]), ("Your part", ["resume"])], ids=["plan", "subgoal"]
)
def test_a_killed_question_goes_on_with_the_agent_that_still_works(
    start_aur: Callable[..., Popen[str]], aur: Aur, thinker: Path, where: str, again: list[str]
) -> None:
    count = "open('asked', 'a').write(prompt[:12] + chr(10))\n"
    hang = f"if {where!r} in prompt:\n    import os, time\n    open('hangs', 'w').close()\n"
    hang += "    while not os.path.exists('go'):\n        time.sleep(0.01)\n"
    (thinker / ".aurora" / "thinker.py").write_text(MODEL.replace('if "Cut this', f'{count}{hang}if "Cut this'))
    process = start_aur("soar", WHY, "--tool", "thinker")
    wait_for((thinker / "hangs").exists)
    process.kill()
    process.communicate(timeout=30)
    (left,) = json.loads(aur("status", "--json").stdout)["runs"][-1:]
    assert (left["kind"], left["state"]) == ("soar", "crashed")
    assert f"aur soar --resume {left['run_id']} continues it" in aur("status").stdout
    assert f"resumable: aur soar --resume {left['run_id']}" in aur("runs", "list").stdout
    (thinker / "go").touch()
    done = aur(*again, left["run_id"], "--json")
    assert done.returncode == ExitCode.DONE, done.stderr
    assert json.loads(done.stdout)["query_id"] == left["run_id"]
    assert len((thinker / "asked").read_text().splitlines()) == 3, "plan, one part and answer, once each"
    assert len(list((thinker / ".aurora" / "logs").rglob("*.md"))) == 1
    assert json.loads(aur("status", "--json").stdout)["runs"] == []
    refused = aur("soar", "--resume", left["run_id"])
    assert refused.returncode == ExitCode.USAGE
    assert "its question was answered" in refused.stderr


def test_a_killed_question_can_be_cancelled_with_its_agent(
    start_aur: Callable[..., Popen[str]], aur: Aur, thinker: Path
) -> None:
    hang = "else:\n    import os, time\n    open('pid', 'w').write(f'{os.getpid()} ')\n    time.sleep(600)\n"
    (thinker / ".aurora" / "thinker.py").write_text(MODEL.replace("else:\n", hang))
    process = start_aur("soar", WHY, "--tool", "thinker")
    wait_for(lambda: (thinker / "pid").exists() and (thinker / "pid").read_text().endswith(" "))
    process.kill()
    process.communicate(timeout=30)
    agent = Path("/proc") / (thinker / "pid").read_text().strip()
    assert agent.exists()
    question = json.loads(aur("status", "--json").stdout)["runs"][-1]["run_id"]
    assert aur("cancel", question, "--at-once").returncode == ExitCode.DONE
    wait_for(lambda: not agent.exists())
    assert "nothing is running, and no run was interrupted" in aur("status").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--resume", "soar-1", "where is it?"], "--resume continues a question as it was asked, without QUERY"),
        (["--resume", "soar-1", "--tool", "thinker"], "without --tool"),
        (["--resume", "soar-1", "--session-id", "a", "--no-cache"], "without --session-id and --no-cache"),
        (["--accept-changes", "where is it?"], "--accept-changes needs --resume"),
        (["--resume", "soar-1"], "soar-1"),
    ],
)
@pytest.mark.usefixtures("thinker")
def test_a_resume_takes_the_question_as_it_was_asked(aur: Aur, words: list[str], said: str) -> None:
    outcome = aur("soar", *words)
    assert outcome.returncode == ExitCode.USAGE
    assert said in outcome.stderr


@pytest.mark.usefixtures("thinker")
def test_no_model_is_asked_unless_one_is_named(aur: Aur, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(aur("soar", WHY, "--json").stdout)["total_cost_usd"] == 0.0
    monkeypatch.setenv("AURORA_TOOL", "thinker")
    assert json.loads(aur("soar", WHY, "--json").stdout)["total_cost_usd"] is None
    assert json.loads(aur("soar", WHY, "--tool", "local", "--json").stdout)["total_cost_usd"] == 0.0


def test_a_tool_that_is_not_there_is_refused_with_those_that_are(aur: Aur, shop: Path) -> None:
    outcome = aur("soar", WHY, "--tool", "clade")
    assert outcome.returncode == ExitCode.USAGE
    assert "no agent named 'clade'" in outcome.stderr
    assert "local" in outcome.stderr


@pytest.mark.usefixtures("thinker")
def test_a_tool_that_fails_leaves_the_answer_from_memory(aur: Aur, shop: Path) -> None:
    (shop / ".aurora" / "thinker.py").write_text("import sys; sys.exit('signed out')")
    (shop / ".aurora" / "policies.yaml").write_text("agent_recovery: {max_retries: 0}\n")
    outcome = aur("soar", WHY, "--tool", "thinker")
    assert outcome.returncode == ExitCode.DONE
    assert "thinker gave no usable plan (it exited with code 1: signed out); planned by rules" in outcome.stderr
    assert "`src/shop/till.py:" in outcome.stdout


def test_a_known_cli_that_is_not_installed_is_called_so(
    aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(shop))
    outcome = aur("soar", WHY, "--tool", "qwen")
    assert outcome.returncode == ExitCode.USAGE
    assert "qwen is not on PATH" in outcome.stderr
    assert "install it" in outcome.stderr


def test_a_session_is_continued_listed_and_forgotten(aur: Aur, shop: Path) -> None:
    nothing = aur("soar", "--continue", "Who calls it?")
    assert nothing.returncode == ExitCode.USAGE
    assert "there is nothing to continue" in nothing.stderr
    assert not (shop / ".aurora").exists(), "a refused question sets nothing up"
    assert aur("soar", "--session-id", "till", "Where is Till.scan?").returncode == ExitCode.DONE
    assert "Taken as: Where is `Till.scan` tested?" in aur("soar", "--continue", "Where is it tested?").stdout
    (line,) = aur("soar", "--sessions").stdout.splitlines()
    assert line.startswith("till ")
    assert "2 turns" in line
    (listed,) = json.loads(aur("soar", "--sessions", "--json").stdout)["sessions"]
    assert [turn["question"] for turn in listed["turns"]] == ["Where is Till.scan?", "Where is `Till.scan` tested?"]
    assert "forgot session till: 2 turns" in aur("mem", "forget", "--session", "till").stdout
    assert aur("mem", "forget", "--session", "till").returncode == ExitCode.NOT_REACHED
    assert aur("soar", "--sessions", "Why?").returncode == ExitCode.USAGE
    assert aur("soar", "--continue", "--session-id", "till", "Why?").returncode == ExitCode.USAGE


def test_the_cache_is_shown_with_its_key_and_can_be_passed_over(aur: Aur, shop: Path) -> None:
    asked = ("soar", "Where is Till.scan?", "--verbosity", "verbose")
    first = aur(*asked).stdout
    key = first.split("cached: no, key ")[1].split()[0]
    again = aur(*asked).stdout
    assert f", key {key}" in again.split("cached: yes, of soar-")[1]
    assert again.split("\n---\n")[0] == first.split("\n---\n")[0]
    assert "cached: no" in aur(*asked, "--no-cache").stdout
    (shop / "src" / "till.py").write_text("class Till:\n    def scan(self):\n        return 1\n")
    assert "cached: no" in aur(*asked).stdout


def test_a_question_is_shown_from_its_log(aur: Aur, shop: Path) -> None:
    document = json.loads(aur("soar", "Where is Till.scan?", "--json").stdout)
    shown = aur("runs", "show", document["query_id"]).stdout
    assert shown.startswith(f"{document['query_id']}: Where is Till.scan?")
    assert "phase2_retrieve: " in shown
    assert document["phases"]["phase6_synthesize"]["answer"].strip() in shown
    assert json.loads(aur("runs", "show", document["query_id"], "--json").stdout) == document
    assert aur("runs", "show", "soar-1").returncode != ExitCode.DONE


def test_in_the_background_a_question_is_answered_without_this_process_and_its_answer_kept(
    aur: Aur, shop: Path
) -> None:
    outcome = aur("soar", QUESTION, "--bg", "--session-id", "till", "--verbosity", "verbose", "--json")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    started = json.loads(outcome.stdout)
    query_id = started["run_id"]
    wait_for(lambda: json.loads(aur("runs", "list", "--json").stdout)["runs"][-1]["state"] == "succeeded")
    assert "src/shop/till.py:" in aur("runs", "show", query_id).stdout
    wait_for(lambda: "src/shop/till.py:" in Path(started["log"]).read_text())
    log = Path(started["log"]).read_text()
    assert "phase6_synthesize" in log, "as much is told as was asked for"
    assert f"its answer: aur runs show {query_id}" in aur("runs", "result", query_id).stderr
    assert "till" in aur("soar", "--sessions").stdout
    again = aur("resume", query_id, "--bg")
    assert again.returncode == ExitCode.USAGE
    assert "its question was answered" in again.stderr
    assert aur("soar", "--resume", query_id, "--bg").returncode == ExitCode.USAGE


def test_a_question_that_was_cut_off_goes_on_in_the_background(
    start_aur: Callable[..., Popen[str]], aur: Aur, shop: Path
) -> None:
    asks = '[sh, -c, "until [ -e go ]; do sleep 0.05; done; cat > /dev/null; echo no plan"]'
    (shop / ".aurora").mkdir()
    (shop / ".aurora" / "config.yaml").write_text(f"backends: {{slow: {{kind: command, command: {asks}}}}}\n")
    process = start_aur("soar", QUESTION, "--tool", "slow")

    def questions() -> list[dict[str, str]]:
        runs = json.loads(aur("runs", "list", "--json").stdout or '{"runs": []}')["runs"]
        return [each for each in runs if each["kind"] == "soar"]

    wait_for(lambda: any(each["state"] == "running" for each in questions()))
    process.kill()
    process.wait()
    (shop / "go").touch()
    query_id = questions()[0]["run_id"]
    outcome = aur("resume", query_id, "--bg")
    assert outcome.stdout.strip() == query_id, outcome.stderr
    wait_for(lambda: questions()[0]["state"] == "succeeded")
    assert "src/shop/till.py:" in aur("runs", "show", query_id).stdout


def test_a_cancelled_question_ends_and_can_be_resumed(aur: Aur, shop: Path) -> None:
    asks = '[sh, -c, "until [ -e go ]; do sleep 0.05; done; cat > /dev/null; echo no plan"]'
    (shop / ".aurora").mkdir()
    (shop / ".aurora" / "config.yaml").write_text(f"backends: {{slow: {{kind: command, command: {asks}}}}}\n")
    query_id = aur("soar", QUESTION, "--tool", "slow", "--bg").stdout.strip()

    def states(kind: str) -> list[str]:
        runs = json.loads(aur("runs", "list", "--json").stdout)["runs"]
        return [each["state"] for each in runs if each["kind"] == kind]

    wait_for(lambda: states("model") == ["running"])
    paused = aur("pause", query_id)
    assert (paused.returncode, f"aur cancel {query_id} ends it" in paused.stderr) == (ExitCode.USAGE, True)
    assert f"run {query_id} is held by process" in aur("resume", query_id).stderr
    assert aur("cancel", query_id).returncode == ExitCode.DONE
    wait_for(lambda: states("soar") == ["interrupted"])
    assert states("model") == ["cancelled"], "nothing more of it was asked"
    (shop / "go").touch()
    outcome = aur("resume", query_id)
    assert "src/shop/till.py:" in outcome.stdout, outcome.stderr
    assert states("soar") == ["succeeded"]
