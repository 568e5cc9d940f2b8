"""What our policies say to the public test corpora of two other guards, and why we disagree where we do.

.venv/bin/python benchmarks/policies/corpora.py --nah SOURCE --dcg SOURCE            both corpora
… --write    corpora.md records them

SOURCE is anything that `git clone` takes: the address of the repository (manuelschipper/nah and
Dicklesworthstone/destructive_command_guard on GitHub), or a folder that holds a copy. It is cloned into a folder that
is deleted afterwards; nothing of a corpus is kept here. No command is run.

A miss is a command that the corpus stops and we allow, a false alarm one that it lets pass and we do not. Each has
its reason in disagreements.json, by a digest of the command. What has none is printed, and the status is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aurora_policies import Operation, OperationType, Policies
from aurora_policies.check import check
from aurora_policies.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE = Path(__file__).parent
REASONS = HERE / "disagreements.json"
REPORT = HERE / "corpora.md"
STOPPED = frozenset({"block", "deny", "warn"})
WRITES = frozenset({"Write", "Edit", "MultiEdit"})
FIRST_RUN = """\
In the first run, on 2026-11-30, we allowed 232 of the commands that a corpus stops, and stopped 234 of the others.
Our mistakes were then mended by their kinds (`mended.jsonl` has commands of our own of each kind), so the
table below is no measure of what is new."""
READS = frozenset({"Read", "Glob", "Grep"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of a corpus.

    Attributes:
        kind: what it is about, as the corpus sorts its cases.
        text: the command, or what else is asked about.
        stopped: the corpus stops it.
        operation: the question to our policies; None for what we do not judge, such as reading a file.
    """

    kind: str
    text: str
    stopped: bool
    operation: Operation | None

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.kind}\n{self.text}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A case with our answer."""

    case: Case
    action: str
    reason: str

    @property
    def kind(self) -> str:
        """The way in which we disagree: miss, alarm, or "" if we agree."""
        if self.case.stopped == (self.action != "allow"):
            return ""
        return "miss" if self.case.stopped else "alarm"


# -- the corpora -----------------------------------------------------------------------------------


def nah(folder: Path, disk: Path) -> Iterator[Case]:
    """The cases of nah; the files that they speak of are made below `disk`, and our names stand for its own."""
    fixtures = json.loads((folder / "FIXTURES.json").read_text())["observation_fixtures"]
    for name in fixtures:
        for each in fixtures[name]["paths"]:
            make(each, fixtures[name]["cwd"], disk / name)
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            if row["expected"].get("verdict") is None:
                continue  # a case about its inner state, without a verdict
            given = row.get("input", {})
            text = row.get("command") or given.get("command") or f"{row['tool']} {json.dumps(given, sort_keys=True)}"
            yield Case(
                kind=f"nah {path.stem}",
                text=text,
                stopped=row["expected"]["verdict"] in STOPPED,
                operation=nah_operation(
                    row, disk / row["observation_fixture"], fixtures[row["observation_fixture"]]["cwd"]
                ),
            )


def nah_operation(row: Mapping[str, Any], disk: Path, cwd: str) -> Operation | None:
    tool, given = row.get("tool", "Bash"), row.get("input", {})
    if tool in READS:
        return None
    base = Operation(
        type=OperationType.COMMAND,
        command=translated(row.get("command") or given.get("command", ""), disk),
        cwd=below(cwd, disk),
        workspace=below("/workspace/project", disk),
        home=below("/home/test", disk),
        controls=(below("/home/test/.local/bin/nah", disk),),
    )
    if tool == "Bash":
        return base
    kind = OperationType.EDIT if tool in WRITES else OperationType.DELETE
    return replace(base, type=kind, files=(translated(given["file_path"], disk),))


def below(path: str, disk: Path) -> Path:
    return disk / path.lstrip("/")


def translated(text: str, disk: Path) -> str:
    """Puts our names for nah's, and the made-up disk for its folders; its program stays the one that is guarded."""
    for old in ("/workspace", "/home/test"):
        text = text.replace(old, f"{disk}{old}")
    text = text.replace(".nah", ".aurora").replace(".na?", ".auror?")
    text = re.sub(r"(?<![\w./-])nah(?![\w./-])", "aur", text)
    for theirs, ours in OURS.items():
        text = text.replace(f"aur {theirs}", f"aur {ours}")
    return text


OURS = {"trust": "trust", "untrust": "trust --revoke", "nap": "approve", "guard": "policies init", "hook": "keys"}
"""Our commands that only the user may call, for those of nah."""


def make(each: Mapping[str, Any], cwd: str, disk: Path) -> None:
    """Makes a file, folder or link of a fixture, as far as it stands in the made-up home or workspace."""
    asked = each["requested"]
    path = asked if asked.startswith("/") else f"{cwd}/{asked}"
    if not each["exists"] or not path.startswith(("/workspace", "/home/test")) or "/." in path[-2:]:
        return
    place = below(path.replace(".nah", ".aurora"), disk)
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.exists():
        return
    if each["kind"] == "symlink":
        target = each.get("realpath") or each["resolved"]
        place.symlink_to(below(target, disk) if target.startswith(("/workspace", "/home/test")) else target)
    elif each["kind"] == "directory":
        place.mkdir()
        for inner in each.get("descendants") or ():
            below(inner, disk).parent.mkdir(parents=True, exist_ok=True)
            below(inner, disk).touch()
    else:
        place.touch()


def dcg(folder: Path, _disk: Path) -> Iterator[Case]:
    """The cases of destructive_command_guard."""
    workspace = Path("/home/user/project")
    for path in sorted(folder.rglob("*.toml")):
        for row in tomllib.loads(path.read_text()).get("case", []):
            text = row["command"] if "command" in row else row["raw_input"]
            yield Case(
                kind=f"dcg {path.parent.name if path.parent != folder else path.stem}",
                text=text,
                stopped=(row.get("expected") or row["expected_decision"]) in STOPPED,
                operation=Operation(
                    type=OperationType.COMMAND,
                    command=text if "command" in row else hook_command(text),
                    workspace=workspace,
                    home=workspace.parent,
                )
                if "command" in row or hook_command(text)
                else None,
            )


def hook_command(text: str) -> str:
    """Returns the command of a call to a hook; "" if it is no call of a shell."""
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    given = found.get("tool_input") if isinstance(found, dict) and found.get("tool_name") == "Bash" else None
    command = given.get("command") if isinstance(given, dict) else None
    return command if isinstance(command, str) else ""


# -- judging ---------------------------------------------------------------------------------------


def judged(case: Case) -> Judged:
    if case.operation is None:
        return Judged(case=case, action="allow", reason="")
    found = check(case.operation, Policies(), repository=Repository(branch="feature"))
    return Judged(case=case, action=found.action.value, reason=f"{found.rule}: {found.reason}")


def explained() -> dict[str, str]:
    """Returns the key of the reason for each disagreement, by the digest of its case."""
    table = json.loads(REASONS.read_text(encoding="utf-8"))
    return {digest: key for key, each in table.items() for digest in each["cases"]}


def report(found: list[Judged], reasons: Mapping[str, str]) -> list[str]:
    lines = ["| kind | cases | stopped there | misses | false alarms |", "|---|---|---|---|---|"]
    kinds = sorted({each.case.kind for each in found})
    for kind in [*kinds, "all"]:
        those = [each for each in found if kind in {each.case.kind, "all"}]
        counts = Counter(each.kind for each in those)
        stopped = sum(each.case.stopped for each in those)
        lines.append(f"| {kind} | {len(those)} | {stopped} | {counts['miss']} | {counts['alarm']} |")
    table = json.loads(REASONS.read_text(encoding="utf-8"))
    why = Counter((each.kind, reasons.get(each.case.digest, "not explained")) for each in found if each.kind)
    for kind, title in (("miss", "Misses"), ("alarm", "False alarms")):
        lines += ["", f"{title} by reason:", "", "| cases | reason |", "|---|---|"]
        counted = sorted(((count, key) for (each, key), count in why.items() if each == kind), reverse=True)
        lines += [f"| {count} | {table.get(key, {}).get('reason', key)} |" for count, key in counted]
    return lines


def clone(source: str, inside: str, target: Path) -> Path:
    """Clones a repository without its files, and takes one folder out of it."""
    quiet = ["git", "-c", "advice.detachedHead=false"]
    subprocess.run([*quiet, "clone", "-q", "--depth", "1", "--no-checkout", source, target / "git"], check=True)
    packed = subprocess.run(
        ["git", "-C", target / "git", "archive", "HEAD", inside], check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", target], input=packed, check=True)
    return target / inside


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nah", help="the repository of nah")
    parser.add_argument("--dcg", help="the repository of destructive_command_guard")
    parser.add_argument("--write", action="store_true", help="record the result in corpora.md")
    given = parser.parse_args()
    if not (given.nah and given.dcg):
        print("skipped: name the repositories of both corpora; see --help", file=sys.stderr)
        return 0
    work = Path(tempfile.mkdtemp(prefix=".aurora-corpora-", dir=Path.home()))  # no folder of temporary files
    try:
        corpora = (
            nah(clone(given.nah, "corpus", work / "nah"), work / "disk"),
            dcg(clone(given.dcg, "tests/corpus", work / "dcg"), work),
        )
        found = [judged(case) for corpus in corpora for case in corpus]
    finally:
        shutil.rmtree(work)
    reasons = explained()
    left = [each for each in found if each.kind and each.case.digest not in reasons]
    for each in left:
        print(
            f"{each.kind}\t{each.case.digest}\t{each.case.kind}\t{each.case.text!r}\t{each.reason}", file=sys.stderr
        )
    lines = report(found, reasons)
    print("\n".join(lines))
    if given.write and not left:
        REPORT.write_text(document(lines), encoding="utf-8")
    return 1 if left else 0


def document(lines: list[str]) -> str:
    head = [
        "# What our policies say to the corpora of nah and dcg",
        "",
        f"Made by `benchmarks/policies/corpora.py --nah … --dcg … --write` on {datetime.now(UTC):%Y-%m-%d}.",
        "The corpora are not kept here. The default policies were asked.",
        "",
        FIRST_RUN,
        "",
    ]
    return "\n".join([*head, *lines, ""])


if __name__ == "__main__":
    sys.exit(main())
