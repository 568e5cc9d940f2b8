"""Our policies beside two other guards, `nah` and `cc-safety-net`, on our published commands, in one run.

.venv/bin/python benchmarks/policies/side_by_side.py --nah PROGRAM --safety-net PROGRAM
… --write    side_by_side.md records it

PROGRAM is the installed program: `nah` of the Python package of that name, `cc-safety-net` of the Node package. Each
is asked as an agent's hook would ask it, in a made-up home and project, under its default and its strictest settings.
Our policies are asked in this process, so their time is not that of a hook. No command is run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_policies import Operation, OperationType, Policies
from aurora_policies.check import check
from aurora_policies.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = Path(__file__).parent
SETS = ("building.jsonl", "held_out.jsonl", "mended.jsonl", "strangers.jsonl")
REPORT = HERE / "side_by_side.md"
STRICTEST = {
    "destructive": {
        **{name: {"action": "deny"} for name in ("git_force_push", "git_push_main", "git_merge_main")},
        **{name: {"action": "deny"} for name in ("drop_table", "truncate")},
        "file_delete": {"action": "deny", "max_files": 0},
    }
}
RULES = """\
What the figures do not say, since the rules differ:

- The sets are ours: what they call dangerous is so by our default rules. A delete inside the project is one example:
  `nah` and `cc-safety-net` count it as safe; {deletes} of the dangerous commands are about deletes. The strictest
  settings of both change that: `paranoid` of cc-safety-net, and of `nah` a question about each type of action that
  it would decide by the context.
- `nah` and we can ask; `cc-safety-net` only denies. A question and a denial both count as stopped here.
- Both stop the reading of secrets, which we allow as long as nothing is sent; no command of the sets is about that.
- `nah` asks about programs that it does not know, and about every push. We ask about a program that is not known only
  if something else in the command is dangerous, and about pushes to protected branches.
- We parse SQL. `nah` asks about clients of databases, clouds and clusters by what they are called with;
  cc-safety-net lets `DROP TABLE`, `aws s3 rb` and `kubectl delete` pass at each level.
- `mended.jsonl` and `strangers.jsonl` have commands of which we had missed some before; the table has the answers of
  today and favours us. The other two sets are the same that our analyser was built on and tried with.
- The time of the other two is that of a whole process, as their hooks have it, on a machine that had other work. Ours
  is one process for all answers; a hook of ours is a process, too, and takes the time that `hook.py` measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    text: str
    dangerous: bool
    rule: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One guard under one setting on all sets."""

    name: str
    missed: int
    alarms: int
    ms: float

    def row(self, dangerous: int, harmless: int) -> str:
        return f"| {self.name} | {self.missed} of {dangerous} | {self.alarms} of {harmless} | {self.ms:.2f} |"


def commands(limit: int | None) -> list[Command]:
    rows = [json.loads(line) for name in SETS for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
    found = [Command(text=row["command"], dangerous=row["expect"] != "allow", rule=row["rule"]) for row in rows]
    return found if limit is None else found[:: max(1, len(found) // limit)]


def ours(policies: Policies, project: Path) -> Callable[[str], bool]:
    def stops(command: str) -> bool:
        operation = Operation(
            type=OperationType.COMMAND, command=command, cwd=project, workspace=project, home=project.parent
        )
        return check(operation, policies, repository=Repository(branch="feature")).action != "allow"

    return stops


def nah(program: str, project: Path, config: Mapping[str, object] | None) -> Callable[[str], bool]:
    settings = ["--defaults"] if config is None else ["--config", json.dumps(config)]

    def stops(command: str) -> bool:
        out = answer([program, "test", "--json", *settings, "--", command], project, {})
        return str(json.loads(out)["decision"]) != "allow"

    return stops


def safety_net(program: str, project: Path, level: str) -> Callable[[str], bool]:
    def stops(command: str) -> bool:
        call = {
            "session_id": "s",
            "hook_event_name": "PreToolUse",
            "tool_name": "Bash",
            "tool_input": {"command": command},
            "cwd": str(project),
        }
        given = json.dumps(call)
        return "deny" in answer(
            [program, "hook", "--claude-code"], project, {"CC_SAFETY_NET_LEVEL": level}, given=given
        )

    return stops


def answer(arguments: list[str], project: Path, variables: Mapping[str, str], *, given: str = "") -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(project.parent), **variables}
    done = subprocess.run(
        arguments, cwd=project, env=environment, input=given, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode not in {0, 1, 2}:
        raise RuntimeError(f"{arguments[0]} ended with {done.returncode}: {done.stderr[:300]}")
    return done.stdout


def strict_nah(program: str, project: Path) -> dict[str, object]:
    """Returns settings of nah in which each type of action that it decides by the context is asked about."""
    listed = answer([program, "types"], project, {}).splitlines()
    types = [line.split()[:2] for line in listed if len(line.split()) > 2]
    return {"actions": {name: "ask" for name, policy in types if policy == "context"}}


def tally(name: str, stops: Callable[[str], bool], cases: list[Command]) -> Tally:
    missed = alarms = 0
    times = []
    for case in cases:
        begun = time.perf_counter()
        stopped = stops(case.text)
        times.append((time.perf_counter() - begun) * 1000)
        missed += case.dangerous and not stopped
        alarms += stopped and not case.dangerous
    return Tally(name=name, missed=missed, alarms=alarms, ms=statistics.median(times))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nah", help="the program nah")
    parser.add_argument("--safety-net", help="the program cc-safety-net")
    parser.add_argument("--limit", type=int, help="about so many of the commands only, evenly from all")
    parser.add_argument("--write", action="store_true", help="record the result in side_by_side.md")
    given = parser.parse_args()
    if not (given.nah and given.safety_net):
        print("skipped: name both programs; see --help", file=sys.stderr)
        return 0
    cases = commands(given.limit)
    with tempfile.TemporaryDirectory(prefix=".aurora-beside-", dir=Path.home()) as home:
        project = Path(home, "project")
        project.mkdir()
        subprocess.run(["git", "init", "-q", "-b", "feature", str(project)], check=True)
        guards = {
            "Aurora, default": ours(Policies(), project),
            "Aurora, strictest": ours(Policies.model_validate(STRICTEST), project),
            "nah, default": nah(given.nah, project, None),
            "nah, strictest": nah(given.nah, project, strict_nah(given.nah, project)),
            **{f"cc-safety-net, {each}": safety_net(given.safety_net, project, each) for each in LEVELS},
        }
        tallies = [tally(name, stops, cases) for name, stops in guards.items()]
        versions = [answer([program, "--version"], project, {}).strip() for program in (given.nah, given.safety_net)]
    dangerous = sum(case.dangerous for case in cases)
    head = ["| guard, setting | misses | false alarms | ms (median) |", "|---|---|---|---|"]
    lines = [*head, *(each.row(dangerous, len(cases) - dangerous) for each in tallies)]
    print("\n".join(lines))
    if given.write:
        REPORT.write_text(document(lines, versions, cases), encoding="utf-8")
    return 0


LEVELS = ("standard", "strict", "paranoid")


def document(lines: list[str], versions: list[str], cases: list[Command]) -> str:
    deletes = sum(case.dangerous and case.rule == "file_delete" for case in cases)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    head = [
        "# Our policies beside nah and cc-safety-net",
        "",
        f"Made by `side_by_side.py --nah … --safety-net … --write` on {datetime.now(UTC):%Y-%m-%d} ({machine});",
        f"{' and cc-safety-net '.join(versions)}. {len(cases)} published commands, evenly from {', '.join(SETS)}.",
        "",
    ]
    return "\n".join([*head, *lines, "", RULES.format(deletes=deletes), ""])


if __name__ == "__main__":
    sys.exit(main())
