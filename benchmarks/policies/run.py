"""What the default policies say to commands: misses and false alarms by rule, and the time of an answer.

.venv/bin/python benchmarks/policies/run.py                  the published sets
.venv/bin/python benchmarks/policies/run.py --set FILE       another set: JSON lines {command, expect, rule}
.venv/bin/python benchmarks/policies/run.py --write          results.md records the published sets

A miss is a command that is allowed and should not be; a deny that is only a prompt counts half. A false alarm is a
command that should be allowed and is not. Each line of a published set says in `why` what it is about. No command is
run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aurora_policies import Operation, OperationType, Policies, PolicyResult
from aurora_policies.check import check
from aurora_policies.repository import Repository

HERE = Path(__file__).parent
SETS = ("building.jsonl", "held_out.jsonl", "mended.jsonl", "strangers.jsonl")
WORKSPACE = Path("/home/user/project")
REPEATS = 5
WARMING = ("psql -c 'drop table t'", "mysql -e 'drop table t'", "sqlite3 a 'drop table t'", "python -c 'print(1)'")
FIRST_RUN = """\
`held_out.jsonl` was written after the analyser worked on `building.jsonl`, and before it was tried on the set. Its
first run, on 2026-11-29: 8 misses of 265 dangerous commands, 1 false alarm of 114 harmless ones. The misses:
`test -v 'a[$(…)]'`, `screen -dmS x rm …`, `powershell -Command`, `cmd /c del`, `man -P`, `zip -TT`, `curl -K-`,
`gh gist create .env`. All were then followed, so the table below is no measure of what is new. The false alarm was
`"$@"`, which stood there as harmless and is now a prompt: whether a command has parameters is not known.

`mended.jsonl` has commands of kinds that were mistakes until they were mended (`corpora.md`); it shows that they stay
mended, and nothing about what is new. `building.jsonl` is the set that the analyser was built with.

`strangers.jsonl` was written as somebody might who had not read the analyser, in four parts, each before it was
tried, and each after the misses of the parts before were mended by their kinds. At first sight, on 2026-11-30: 3.5
misses of 40 dangerous commands and 1 false alarm of 40 harmless ones; 1 of 20 and 0 of 20; of a third part that
looked for rarer kinds 14.5 of 84 and 4 of 74; of a fourth 12 of 60 and 1 of 60. A deny that was a prompt counts
half. So of such commands about one dangerous one in seven was missed at first sight, and one harmless one in thirty
held up. The misses: makefiles on the input or the command line, clients of clouds and clusters by their verbs,
settings of npm, callbacks of PHP, files moved out of the workspace, patches for a protected folder, hooks switched
off, keys that `aws s3 cp`, `git add -f`, a DNS query, `grep` or a Python program takes away, secrets of a cluster,
a program from a repository, containers that are not named, `redis-cli DEL` by xargs, requests that delete on other
machines, `ansible -a`, `robocopy /MIR`, a moved `.claude`. All were then followed. Five commands are not in the
set, since the answer is as it was meant or could not be decided: `git commit --no-verify`, a request that deletes
on localhost, a file in /tmp whose name is not known, `trash-put`, and `kill $(pgrep …)` of Aurora's own processes,
which is not followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A command, the answer that it should get, and the one that it got in so many milliseconds."""

    command: str
    expect: str
    rule: str
    got: PolicyResult
    ms: float

    @property
    def missed(self) -> float:
        if self.expect == "allow" or self.got.action == self.expect:
            return 0.0
        return 1.0 if self.got.action == "allow" else 0.5 if self.expect == "deny" else 0.0

    @property
    def false_alarm(self) -> bool:
        return self.expect == "allow" and self.got.action != "allow"


def answers(path: Path) -> list[Answer]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    policies = Policies()
    for command in WARMING:  # parsers are loaded once, and not by the first command that needs them
        ask(command, policies)
    found = []
    for row in rows:
        times = []
        for _again in range(REPEATS):
            begun = time.perf_counter()
            got = ask(row["command"], policies)
            times.append((time.perf_counter() - begun) * 1000)
        ms = statistics.median(times)
        rule = row.get("rule") or ("harmless" if row["expect"] == "allow" else "other")
        found.append(Answer(command=row["command"], expect=row["expect"], rule=rule, got=got, ms=ms))
    return found


def ask(command: str, policies: Policies) -> PolicyResult:
    operation = Operation(
        type=OperationType.COMMAND, command=command, cwd=WORKSPACE, workspace=WORKSPACE, home=WORKSPACE.parent
    )
    return check(operation, policies, repository=Repository(branch="feature"))


def table(name: str, found: list[Answer]) -> list[str]:
    times = sorted(each.ms for each in found)
    harmless = sum(each.expect == "allow" for each in found)
    alarms = sum(each.false_alarm for each in found)
    missed = sum(each.missed for each in found)
    lines = [
        f"## {name}",
        "",
        f"{len(found)} commands: misses {missed:g} of {len(found) - harmless}, false alarms {alarms} of {harmless}.",
        f"Time of an answer: p50 {times[len(times) // 2]:.2f} ms, p95 {times[int(len(times) * 0.95)]:.2f} ms.",
        "",
        "| rule | commands | misses | false alarms |",
        "|---|---|---|---|",
    ]
    for rule, count in sorted(Counter(each.rule for each in found).items()):
        those = [each for each in found if each.rule == rule]
        wrong = sum(each.missed for each in those)
        lines.append(f"| {rule} | {count} | {wrong:g} | {sum(each.false_alarm for each in those)} |")
    return [*lines, ""]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=Path, help="a set of your own")
    parser.add_argument("--write", action="store_true", help="record the published sets in results.md")
    given = parser.parse_args()
    paths = [given.set] if given.set else [HERE / name for name in SETS]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        print(f"skipped: there is no {missing[0]}", file=sys.stderr)
        return 0
    report, wrong = [], 0.0
    for path in paths:
        found = answers(path)
        report += table(path.name, found)
        for each in found:
            if each.missed or each.false_alarm:
                wrong += 1
                print(f"expected {each.expect}, got {each.got.action}: {each.command}", file=sys.stderr)
    print("\n".join(report))
    if given.write and not given.set:
        (HERE / "results.md").write_text(document(report), encoding="utf-8")
    return 1 if wrong else 0


def document(report: list[str]) -> str:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    head = [
        "# What the default policies say to commands",
        "",
        f"Made by `.venv/bin/python benchmarks/policies/run.py --write` on {datetime.now(UTC):%Y-%m-%d} ({machine}).",
        f"The time is the median of {REPEATS} checks of a command, without the start of Python and the load of",
        "parsers (the first command with suspicious SQL takes half a second more).",
        "",
        FIRST_RUN,
        "",
    ]
    return "\n".join([*head, *report])


if __name__ == "__main__":
    sys.exit(main())
