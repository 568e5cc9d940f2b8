"""Nothing dangerous passes and nothing harmless is held up: each published command gets its answer."""

from __future__ import annotations

import pytest
from tests.policies.commands import SETS, ask, cases


@pytest.mark.parametrize("name", sorted(path.name for path in SETS.glob("*.jsonl")))
def test_each_command_gets_the_answer_that_it_should(name: str) -> None:
    wrong = []
    for case in cases(name):
        found = ask(case.command)
        if found.action != case.expect or (case.rule and found.rule != case.rule):
            wrong.append((case.command, case.expect, case.rule, found))
    assert wrong == []


def test_what_is_not_allowed_says_why_and_what_to_do_instead() -> None:
    for case in cases("building.jsonl"):
        found = ask(case.command)
        if found.action == "allow":
            assert (found.rule, found.reason, found.instead) == (None, "", "")
            continue
        assert found.rule
        assert found.reason
        assert found.instead.rstrip().endswith("."), (case.command, found)
        assert "\ue000" not in found.reason


JOURNAL = ".aurora/runs.db"
ANSWER = "UPDATE approvals SET state='approved' WHERE id=3"


@pytest.mark.parametrize(
    "command",
    [
        f'sqlite3 {JOURNAL} "{ANSWER}"',
        f'sqlite3 {JOURNAL} "SELECT 1; {ANSWER}"',
        f'sqlite3 {JOURNAL} "/* */ {ANSWER} /* */"',
        f'sqlite3 {JOURNAL} ".tables\n{ANSWER}"',
        f'sqlite3 {JOURNAL} "WITH a AS (SELECT 1) {ANSWER}"',
        f'sqlite3 {JOURNAL} "PRAGMA user_version(5)"',
        f"sqlite3 {JOURNAL} <<'X'\n-- look\n{ANSWER};\nX",
        f"sqlite3 'file:{JOURNAL}?mode=rw' \"{ANSWER}\"",
        f"sqlite3 x.db \"ATTACH '{JOURNAL}' AS j; {ANSWER}\"",
        f"sqlite3 x.db '.open {JOURNAL}' \"{ANSWER}\"",
        f"sqlite3 x.db \"VACUUM INTO '{JOURNAL}'\"",
        f"sqlite3 x.db '.clone {JOURNAL}'",
        "sqlite3 x.db \"SELECT writefile('.aurora/policies.yaml', '')\"",
    ],
)
def test_no_statement_hides_the_change_of_our_records(command: str) -> None:
    assert ask(command).rule == "self_protection"


@pytest.mark.parametrize(
    "command",
    [
        f"sqlite3 {JOURNAL} .schema",
        f"sqlite3 -json {JOURNAL} '.mode box' 'SELECT * FROM runs; -- all'",
        f'sqlite3 {JOURNAL} "WITH a AS (SELECT 1) SELECT * FROM a"',
        f"sqlite3 {JOURNAL} 'PRAGMA table_info(runs)'",
        f"sqlite3 x.db \"ATTACH '{JOURNAL}' AS j; SELECT * FROM j.runs\"",
        "sqlite3 x.db 'INSERT INTO a VALUES (1)'",
    ],
)
def test_our_records_can_be_read(command: str) -> None:
    assert ask(command).action == "allow"


@pytest.mark.parametrize(
    ("command", "action"),
    [
        ("ibmcloud is instance-delete web -f", "prompt"),
        ("oci os object bulk-delete -bn logs", "prompt"),
        ("aliyun ecs DeleteInstance --InstanceId i-1", "prompt"),
        ("tccli cvm TerminateInstances --InstanceIds i-1", "prompt"),
        ("aws ecr batch-delete-image --repository-name web", "prompt"),
        ("aws kms schedule-key-deletion --key-id k", "prompt"),
        ("ibmcloud is instances --name before-delete", "allow"),
        ("aliyun ecs DescribeInstances", "allow"),
        ("oci os bucket update --no-delete", "allow"),
    ],
)
def test_verbs_of_clouds_are_seen_as_each_client_writes_them(command: str, action: str) -> None:
    assert ask(command).action == action


@pytest.mark.parametrize(
    ("command", "action"),
    [
        ("wget --method=DELETE https://api.example/users/1", "prompt"),
        ("wget --method=DELETE http://localhost:8080/users/1", "allow"),
        ("git stage -f .env", "prompt"),
        ("npx someone/tool", "prompt"),
        ("npx @scope/tool && npx ./tool", "allow"),
        ("mongosh shop clean.js", "prompt"),
        ("echo 'db.users.find()' > q.js; mongosh shop q.js", "allow"),
        ("make --eval='x := $(shell rm -rf ~)'", "deny"),
        ("make --eval='x := $(shell date)' all", "allow"),
    ],
)
def test_siblings_of_what_was_mended_get_the_same_answer(command: str, action: str) -> None:
    assert ask(command).action == action
