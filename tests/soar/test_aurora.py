"""The root object: a project's parts from a folder, the environment and options; questions and runs of task files."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from tests.warm_python import run_warm

from aurora_core import ChunkKind, ConfigError, Memory, Project, Reasoning
from aurora_core.trust import WHOLE_PROJECT, Claim, Part, TrustStore
from aurora_policies import PoliciesEngine, PolicyFileError
from aurora_soar import (
    Aurora,
    IncludeDirtyError,
    NoProjectError,
    Notice,
    OverLimitError,
    TaskFileInUseError,
    UntrustedAgentError,
    WantedIsolation,
)
from aurora_soar.taskruns.ledger import user_limits
from aurora_spawner import CliBackend, CommandBackend
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.profiles import PROFILES
from aurora_spawner.tasks.diff_gate import FileDiff, WorkDiff
from aurora_spawner.tasks.result import RunState, TaskState


def configured(root: Path, text: str) -> Project:
    project = Project.init(root)
    project.config_file.write_text(text, encoding="utf-8")
    return project


def test_options_come_before_the_environment_and_that_before_the_file(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = configured(shop, "tool: from-file\nspawner: {max_concurrent: 2}\n")
    assert (Aurora(project).config.tool, Aurora(project).config.max_concurrent) == ("from-file", 2)
    monkeypatch.setenv("AURORA_TOOL", "from-environment")
    assert Aurora(project).config.tool == "from-environment"
    given = Aurora(project, tool="from-option", max_concurrent=9).config
    assert (given.tool, given.max_concurrent) == ("from-option", 9)


def test_agents_are_the_configured_ones_and_the_local_one(shop: Path) -> None:
    project = configured(
        shop, 'backends:\n  tidy: {kind: command, command: ["tidy", "-q"], timeout_s: 9, env: {A: "1"}}\n'
    )
    backends = Aurora(project).agents
    assert set(backends) == {"local", "tidy"}
    assert backends["tidy"] == CommandBackend(name="tidy", command=("tidy", "-q"), env={"A": "1"}, timeout_s=9.0)


def test_a_cli_of_a_users_own_is_six_lines(shop: Path) -> None:
    project = configured(
        shop,
        """\
backends:
  mine:
    kind: command
    command: ["mycli", "run", "--json", "--task", "{prompt_file}"]
    prompt: file
    events: claude
""",
    )
    assert Aurora(project).agents["mine"] == CommandBackend(
        name="mine",
        command=("mycli", "run", "--json", "--task", "{prompt_file}"),
        prompt="file",
        dialect=DIALECTS["claude"],
    )


def test_clis_on_path_are_agents_and_the_first_is_the_default(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("codex", "aider"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    project = configured(shop, "backends:\n  codex: {kind: codex, model: small, provider: work}\n")
    backends = Aurora(project).agents
    assert set(backends) == {"local", "codex", "aider"}
    assert backends["codex"] == CliBackend(name="codex", kind="codex", model="small", named_provider="work")
    assert backends["aider"] == CliBackend(name="aider", kind="aider")
    (shop / "tasks.md").write_text("- [ ] 1 Ask\n", encoding="utf-8")
    assert Aurora(project).plan("tasks.md").default_agent == "codex"
    assert Aurora(project, tool="aider").plan("tasks.md").default_agent == "aider"


@pytest.mark.parametrize("kind", PROFILES)
def test_every_known_cli_is_a_kind_and_its_events_a_dialect(shop: Path, kind: str) -> None:
    text = f"backends:\n  a: {{kind: {kind}}}\n  b: {{kind: command, command: [x], events: {kind}}}\n"
    agents = Aurora(configured(shop, text)).agents
    assert agents["a"] == CliBackend(name="a", kind=kind)
    assert agents["b"] == CommandBackend(name="b", command=("x",), dialect=DIALECTS[kind])


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("kind: magic", "kind", "there is no 'magic'; known here: command, claude"),
        ("kind: claud", "kind", "did you mean claude?"),
        ("kind: command, command: [x], events: clod", "events", "there is no 'clod'; did you mean"),
    ],
)
def test_an_unknown_kind_is_named_with_its_line(shop: Path, text: str, field: str, said: str) -> None:
    project = configured(shop, f"tool: local\nbackends:\n  a: {{{text}}}\n")
    with pytest.raises(ConfigError) as raised:
        _ = Aurora(project).agents
    error = raised.value
    assert (error.source, error.line, error.field) == (str(project.config_file), 3, f"backends.a.{field}")
    assert said in str(error)


def test_the_local_agent_can_be_replaced_by_one_of_that_name(shop: Path) -> None:
    project = configured(shop, 'backends:\n  local: {kind: command, command: ["mine"]}\n')
    backend = Aurora(project).agents["local"]
    assert isinstance(backend, CommandBackend)
    assert backend.command == ("mine",)


def test_policies_are_the_projects_own_or_the_defaults(shop: Path) -> None:
    project = Project.init(shop)
    assert Aurora(project).policies == PoliciesEngine.load(None)
    project.policies_file.write_text("agent_recovery: {timeout_seconds: 7}\n", encoding="utf-8")
    engine = Aurora(project).policies
    assert (engine.recovery.timeout_seconds, engine.source) == (7, project.policies_file)


def test_the_users_own_policies_hold_for_calls_and_for_work(shop: Path) -> None:
    own = Path.home() / ".config/aurora/policies.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("safety: {protected_paths: [docs/]}\ncaps: {max_agents: 2}\n", encoding="utf-8")
    aurora = Aurora(Project.init(shop))
    found = aurora.project_agents.gate_options(aurora.project_agents.gate([]))["diff_gate"]
    line = FileDiff(path="docs/a.md", kind="M", lines=1, added=((1, "x"),))
    assert found is not None
    judged = found.judge(WorkDiff(task_id="1", agent="a", planned=(), files=(line,)))
    assert [each.rule for each in judged] == ["protected_paths"]
    assert aurora.policies.user_source == own
    assert aurora.project_agents.max_concurrent(9) == 2


def test_a_plan_takes_its_limits_from_policies_and_configuration(shop: Path) -> None:
    project = configured(shop, "spawner: {max_concurrent: 3}\n")
    project.policies_file.write_text("agent_recovery: {timeout_seconds: 7}\n", encoding="utf-8")
    (shop / "tasks.md").write_text("- [ ] 1 Ask\n", encoding="utf-8")
    plan = Aurora(project).plan("tasks.md")
    assert (plan.max_concurrent, plan.timeout_s, plan.default_agent) == (3, 7.0, "local")
    assert plan.policies == project.policies_file


def test_memory_leaves_out_what_the_configuration_excludes(shop: Path) -> None:
    project = configured(shop, 'memory: {exclude: ["*.md"]}\n')
    with Aurora(project).open_memory() as memory:
        memory.index()
        assert ".md" not in memory.stats().languages


PERSONA = """\
---
name: {name}
description: {description}
---
You do it with care.
"""
SLOW_AGENT = """\
import pathlib, sys, time
prompt = sys.stdin.read()
log = pathlib.Path(sys.argv[1])
with log.open("a") as file:
    file.write(prompt.strip().splitlines()[-1] + "\\n")
while "Wait" in prompt and not log.with_name("go").exists():
    time.sleep(0.02)
print("I work as", "tester" if "tester" in prompt else "nobody")
"""
SCRIPT = """\
import json, sys
from aurora_soar import Aurora

with Aurora.open(ask_trust=lambda claims: True) as aurora:
    if sys.argv[1:]:
        result = aurora.resume(sys.argv[1])
    else:
        result = aurora.run_taskfile("tasks.md", budget_usd=2.5)
    outputs = {task: each.output for task, each in result.results.items()}
    print(json.dumps({"ok": result.ok, "outputs": outputs, "open": [each.run_id for each in aurora.status()]}))
assert "aurora_cli" not in sys.modules
"""


def wait_for(condition: Callable[[], bool], limit_s: float = 40.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def calls(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


@pytest.fixture
def log(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The prompts that the project's agent has had; the project is a stranger's, and nothing of it is trusted."""
    monkeypatch.delenv("AURORA_TRUST")
    path = tmp_path / "prompts"
    command = json.dumps([sys.executable, "-c", SLOW_AGENT, str(path)])
    configured(shop, f"tool: mine\nbackends:\n  mine: {{kind: command, command: {command}}}\n")
    folder = shop / ".aurora" / "agents"
    folder.mkdir()
    (folder / "tester.md").write_text(PERSONA.format(name="tester", description="Tests the till."))
    (shop / "tasks.md").write_text("- [ ] 1 Say it\n- [ ] 2 Wait\n  - Agent: @tester\n  - Depends: 1\n")
    return path


def test_a_script_runs_a_task_file_is_killed_and_resumes(shop: Path, log: Path) -> None:
    """With personas, under a budget, in a project that it trusts; nothing that was done is done again."""
    process = subprocess.Popen([sys.executable, "-c", SCRIPT])
    wait_for(lambda: len(calls(log)) == 2)
    process.kill()
    process.wait()
    (shop.parent / "go").touch()
    (left,) = Aurora.open().status()
    assert (left.state, left.tasks) == ("crashed", {"succeeded": 1, "running": 1})
    resumed = subprocess.run(
        [sys.executable, "-c", SCRIPT, left.run_id], capture_output=True, text=True, timeout=50, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    told = json.loads(resumed.stdout)
    assert (told["ok"], told["open"]) == (True, [])
    assert told["outputs"] == {"1": "I work as nobody\n", "2": "I work as tester\n"}
    assert len(calls(log)) == 2
    assert "[ ]" not in (shop / "tasks.md").read_text(encoding="utf-8")
    assert Aurora.open().plan_resume(left.run_id).run.options.limit_usd == 2.5  # type: ignore[union-attr]


def test_nothing_of_a_stranger_s_project_has_an_effect_unasked(shop: Path, log: Path) -> None:
    notices: list[Notice] = []
    aurora = Aurora.open(notify=notices.append)
    (shop / "tasks.md").write_text("- [ ] 1 Say it\n  - Agent: mine\n")
    with pytest.raises(UntrustedAgentError):
        aurora.run_taskfile("tasks.md", budget_usd=1)
    assert "mine" not in aurora.agents
    assert calls(log) == []
    (notice,) = notices
    assert "ignored until you trust this project: tool, backends.mine" in notice.message


def test_a_caller_may_be_asked_for_trust_once(shop: Path, log: Path) -> None:
    asked: list[list[str]] = []

    def answer(*, trusts: bool) -> Callable[[Sequence[Claim]], bool]:
        def ask(claims: Sequence[Claim]) -> bool:
            asked.append([claim.name for claim in claims])
            return trusts

        return ask

    assert "mine" not in Aurora.open(ask_trust=answer(trusts=False)).agents
    assert "mine" in Aurora.open(ask_trust=answer(trusts=True)).agents
    assert "mine" in Aurora.open(ask_trust=answer(trusts=False)).agents, "it is remembered, so nothing is asked"
    assert asked == [["tool", "backends.mine"]] * 2


def test_a_run_beyond_its_budget_is_refused_before_it_starts(shop: Path) -> None:
    configured(shop, 'backends:\n  dear: {kind: command, command: ["cat"], events: claude}\n')
    (shop / "tasks.md").write_text("- [ ] 1 Say it\n  - Agent: dear\n")
    with pytest.raises(OverLimitError):
        Aurora.open().run_taskfile("tasks.md", budget_usd=0)
    assert Aurora.open().status() == []


async def test_a_task_file_is_run_inside_an_event_loop(shop: Path) -> None:
    configured(shop, 'backends:\n  cat: {kind: command, command: ["cat"]}\n')
    (shop / "tasks.md").write_text("- [ ] 1 Say it\n  - Agent: cat\n")
    aurora = Aurora.open()
    result = await aurora.arun_taskfile("tasks.md")
    assert (result.ok, result.titles, result.not_run) == (True, {"1": "Say it"}, ())
    done = await aurora.arun_taskfile("tasks.md")
    assert (done.run_id, done.ok) == ("", True), "every box is ticked"
    again = await aurora.aresume(result.run_id)
    assert again.results["1"].output == result.results["1"].output


def test_uncommitted_changes_are_not_merged_unasked(shop: Path) -> None:
    (shop / "tasks.md").write_text("- [ ] 1 Say it\n  - Agent: local\n")
    with pytest.raises(IncludeDirtyError, match="include_dirty and merge=auto exclude each other"):
        Aurora.open().run_taskfile("tasks.md", isolation=WantedIsolation(merge="auto", include_dirty=True))


@pytest.mark.parametrize("resumes", [False, True])
async def test_a_cancelled_run_does_not_wait_for_the_index(
    shop: Path, monkeypatch: pytest.MonkeyPatch, resumes: bool
) -> None:
    (shop / "tasks.md").write_text("- [ ] 1 Where is total_cents set?\n  - Agent: local\n")
    aurora = Aurora.open()
    run_id = (await aurora.arun_taskfile("tasks.md")).run_id if resumes else ""
    (shop / "tasks.md").write_text("- [ ] 1 What does Till do?\n  - Agent: local\n")
    indexing = asyncio.Event()

    async def endless(memory: Memory) -> None:
        indexing.set()
        await asyncio.sleep(600)

    monkeypatch.setattr(Memory, "aindex", endless)
    running = asyncio.ensure_future(aurora.aresume(run_id) if resumes else aurora.arun_taskfile("tasks.md"))
    await indexing.wait()
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=20)
    assert done == {running}
    assert running.cancelled()


def test_a_file_that_a_run_works_on_is_not_run_twice(shop: Path, log: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT])
    wait_for(lambda: len(calls(log)) == 2)
    try:
        with pytest.raises(TaskFileInUseError):
            Aurora.open().run_taskfile("tasks.md")
    finally:
        (shop.parent / "go").touch()
        process.wait(timeout=40)
    assert process.returncode == 0
    assert len(calls(log)) == 2


async def test_a_question_is_answered_with_a_source_and_sets_the_folder_up(shop: Path) -> None:
    notices: list[Notice] = []
    with Aurora.open(notify=notices.append) as aurora:
        result = await aurora.aask("What does scan of Till do?")
    assert "src/till.py:" in result.answer
    assert [notice.message for notice in notices] == [f"setting up a project in {shop} (.aurora/)"]


def test_an_existing_project_may_be_asked_for(shop: Path) -> None:
    with pytest.raises(NoProjectError):
        Aurora.open(existing=True)
    assert not (shop / ".aurora").exists()


def test_trust_in_each_part_is_decided_once(shop: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes in between cannot have an effect that the notice does not name."""
    project = Project.init(shop)
    project.policies_file.write_text("caps: {max_agents: 999}\n", encoding="utf-8")
    (shop / ".env").write_text("OPENAI_API_KEY=sk-theirs\n", encoding="utf-8")
    persona = PERSONA.replace("name:", "model: opus\nname:").format(name="painter", description="Paints the till.")
    (shop / ".claude" / "agents").mkdir(parents=True)
    (shop / ".claude" / "agents" / "painter.md").write_text(persona)
    decided: list[Part] = []
    trusts = TrustStore.trusts

    def counted(store: TrustStore, project: Project, part: Part, claims: Iterable[Claim]) -> bool:
        decided.append(part)
        return trusts(store, project, part, claims)

    monkeypatch.setattr(TrustStore, "trusts", counted)
    notices: list[Notice] = []
    aurora = Aurora.open(notify=notices.append)
    _ = aurora.config, aurora.policies, aurora.personas, aurora.keys, aurora.project_agents
    assert sorted(decided) == sorted(WHOLE_PROJECT)
    (told,) = [notice.message for notice in notices]
    named = ("tool, backends.mine", "caps.max_agents", ".claude/agents/painter.md", "OPENAI_API_KEY")
    assert all(name in told for name in named), told


def test_a_limit_of_the_user_s_own_that_is_removed_leaves_a_stranger_s_without_effect(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AURORA_TRUST")
    default = Aurora(Project.init(shop)).ledger.limits.monthly_usd
    Project.init(shop).policies_file.write_text("budget: {monthly_limit_usd: 100000}\n", encoding="utf-8")
    notices: list[Notice] = []
    aurora = Aurora.open(notify=notices.append)
    aurora.set_user_limits(amounts={"monthly_usd": 7.0})
    assert (aurora.ledger.limits.monthly_usd, notices) == (7.0, [])
    before = aurora.project_agents
    aurora.set_user_limits(amounts={"monthly_usd": None})
    assert aurora.ledger.limits.monthly_usd == default
    assert aurora.project_agents.policies is aurora.policies is not before.policies
    assert ["budget.monthly_limit_usd" in notice.message for notice in notices] == [True]


def test_policies_that_are_not_valid_keep_the_user_s_limits_as_they_are(shop: Path) -> None:
    Project.init(shop).policies_file.write_text("budget: {monthly_limit_usd: much}\n", encoding="utf-8")
    with pytest.raises(PolicyFileError):
        Aurora.open().set_user_limits(amounts={"monthly_usd": 7.0})
    assert user_limits().monthly_usd is None


async def test_two_task_files_are_run_side_by_side_in_one_event_loop(shop: Path) -> None:
    configured(shop, 'backends:\n  cat: {kind: command, command: ["cat"]}\n')
    files = ["one.md", "two.md"]
    for name in files:
        (shop / name).write_text("- [ ] 1 Say it\n  - Agent: cat\n")
    aurora = Aurora.open()
    results = await asyncio.wait_for(asyncio.gather(*map(aurora.arun_taskfile, files)), timeout=20)
    assert [result.ok for result in results] == [True, True]


async def test_several_questions_are_answered_at_once(shop: Path) -> None:
    with Aurora.open() as aurora:
        results = await asyncio.gather(
            aurora.aask("What does scan of Till do?"),
            aurora.aask("Where is total_cents set?"),
            aurora.aask("Who calls Till?"),
        )
    assert ["src/till.py:" in result.answer for result in results] == [True] * 3
    assert len({result.log_path for result in results}) == 3


PARTING = """\
spawner: {recovery: {max_retries: 0}}
backends: {slow: {kind: command, command: ["sh", "-c", "[ -e well ] && sleep 0.3 && cat"]}}
"""


def test_a_resume_has_as_many_agents_at_once_as_it_is_given(shop: Path) -> None:
    configured(shop, PARTING)
    tasks = "".join(f"- [ ] {number} Say it\n  - Agent: slow\n" for number in (1, 2, 3))
    (shop / "tasks.md").write_text(tasks, encoding="utf-8")
    failed = Aurora.open().run_taskfile("tasks.md")
    assert not failed.ok
    (shop / "well").touch()
    resumed = Aurora.open(max_concurrent=1).resume(failed.run_id, retry_failed=True)
    assert resumed.ok
    times = sorted((each.started_at or 0.0, each.ended_at or 0.0) for each in resumed.results.values())
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(times))


PAID = """\
tool: paid
backends: {paid: {kind: command, command: ["sleep", "600"], events: claude}}
"""
KILLED = """\
import os
from aurora_soar import Aurora
from aurora_spawner.tasks.run_events import TaskStarted
Aurora.open().run_taskfile("tasks.md", on_event=lambda event: os._exit(9) if isinstance(event, TaskStarted) else None)
"""


@pytest.fixture
def killed(shop: Path) -> Aurora:
    """A project whose run was killed while an agent worked that has reserved some of the budget."""
    configured(shop, PAID)
    (shop / "tasks.md").write_text("- [ ] 1 Say it\n", encoding="utf-8")
    process = run_warm([sys.executable, "-c", KILLED], timeout=50)
    assert process.returncode == 9
    return Aurora.open()


def test_a_run_is_cancelled_settled_and_cleaned(killed: Aurora) -> None:
    (left,) = killed.status()
    assert len(killed.ledger.open_reservations(left.run_id)) == 1
    assert killed.cancel(left.run_id, task_id="1", at_once=True) is TaskState.RUNNING
    assert killed.ledger.open_reservations(left.run_id) == {}
    assert killed.cancel(left.run_id) is None
    assert killed.cancel(left.run_id) is RunState.CANCELLED
    assert killed.clean(older_than_days=0).removed == (left.run_id,)


def test_so_it_is_inside_an_event_loop(killed: Aurora) -> None:
    async def cancel_and_clean(run_id: str) -> None:
        assert await killed.acancel(run_id, at_once=True) is None
        assert killed.ledger.open_reservations(run_id) == {}
        assert (await killed.aclean(older_than_days=0)).removed == (run_id,)

    (left,) = killed.status()
    asyncio.run(cancel_and_clean(left.run_id))


def test_answers_are_shared_between_projects_with_consent_alone(shop: Path, tmp_path: Path, home: Path) -> None:
    project = configured(shop, "tool: local\n")
    with Aurora(project) as aurora:
        assert aurora.shared_answers is None
    (home / ".config" / "aurora").mkdir(parents=True)
    (home / ".config" / "aurora" / "config.yaml").write_text("memory: {share_answers: true}\n", encoding="utf-8")
    with Aurora(project) as aurora:
        assert aurora.shared_answers is not None
        aurora.shared_answers.remember(
            Reasoning(
                query="How are tills closed?", answer="By hand.", score=0.9, sources=("a.py:1",), run_id="soar-1"
            )
        )
    (tmp_path / "other").mkdir()
    with Aurora(Project.init(tmp_path / "other")) as other:
        shared = other.shared_answers
        assert shared is not None
        found = shared.search("closed tills", kinds=(ChunkKind.REAS,))
        assert ["By hand." in hit.content for hit in found] == [True]


def test_every_promised_name_is_there() -> None:
    import aurora_soar

    assert set(aurora_soar.__all__) <= set(dir(aurora_soar))
    assert all(getattr(aurora_soar, name) is not None for name in aurora_soar.__all__)
    with pytest.raises(AttributeError):
        aurora_soar.Arora  # noqa: B018 - the access is the test


SPOILS = """\
tool: spoils
backends:
  spoils: {kind: command, command: ["sh", "-c", "cat >/dev/null; echo >> src/till.py; rm -f notes; echo no"]}
"""


@pytest.mark.parametrize("below", [".", "part"])
def test_what_changes_in_the_folder_while_an_agent_plans_is_told(
    shop: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    """It works in the user's folder, and no worktree keeps it away from what is not committed."""
    root = shop / below
    (root / "src").mkdir(parents=True, exist_ok=True)
    (root / "src" / "till.py").write_text("def scan():\n    return 1\n", encoding="utf-8")
    (root / "notes").write_text("mine", encoding="utf-8")
    git = ["git", "-C", str(shop), "-c", "user.name=S", "-c", "user.email=s@example.invalid"]
    for words in (["init", "-q"], ["add", "src", f"{below}/src"], ["commit", "-qm", "First"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.chdir(root)
    configured(root, SPOILS)
    notices: list[Notice] = []
    with Aurora.open(notify=notices.append) as aurora:
        aurora.plan_goal("Round prices down")
    prefix = "" if below == "." else "part/"
    told = [each.message for each in notices if "changed in your folder" in each.message]
    assert told == [f"changed in your folder while spoils worked in it: {prefix}notes, {prefix}src/till.py"]
    notices.clear()
    with Aurora.open(tool="local", notify=notices.append) as aurora:
        aurora.plan_goal("Round prices down")
    assert not [each for each in notices if "changed in your folder" in each.message]
