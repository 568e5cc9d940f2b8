"""The before-gate: an agent is told what matters for its task, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from aurora_policies import Policies, PoliciesEngine
from aurora_soar.taskruns.hints import MOST_HINTS, hints_for


def hints(text: str, agent: str = "claude", **settings: object) -> tuple[str, ...]:
    engine = PoliciesEngine(policies=Policies.model_validate(settings), source=None)
    return hints_for(engine, agent, text, Path("/home/user/project"))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Delete the old exporters", "deletes of more than 5 files, or of whole folders are asked about"),
        ("Squash the commits, then force-push", "pushes that overwrite a branch are denied"),
        ("Push the work to main", "pushes to a protected branch are asked about"),
        ("Drop the unused columns", "dropped tables, columns, schemas and databases are denied"),
        (
            "Put the port into .env, and read server.pem",
            "changes of .env, server.pem are asked about; reading is allowed",
        ),
    ],
)
def test_a_rule_that_matters_is_told(text: str, hint: str) -> None:
    assert hint in hints(text)


def test_a_command_in_the_text_is_judged_as_it_would_be_when_it_is_run() -> None:
    (hint,) = hints("Reset it:\n```sh\n$ psql -c 'drop table users'\nls -l\n```\nand run `make test`.")
    assert hint.startswith("`psql -c 'drop table users'` is denied: Do not drop it")


@pytest.mark.parametrize(
    "text",
    ["Add a test for the parser", "Explain `git log --oneline` and `rm_tree(path)`", "Use `f(x)` of `a b`", ""],
)
def test_what_does_not_matter_is_not_told(text: str) -> None:
    assert hints(text) == ()


def test_the_section_of_the_agent_counts() -> None:
    stricter = {"codex": {"destructive": {"file_delete": {"action": "deny", "max_files": 0}}}}
    assert hints("Remove it", "codex", agents=stricter) == (
        "deletes of more than 0 files, or of whole folders are denied",
    )
    assert hints("Remove it", agents=stricter) == (
        "deletes of more than 5 files, or of whole folders are asked about",
    )
    allowed = {"file_delete": {"action": "allow", "max_files": 5}}
    assert hints("Remove it", destructive=allowed) == ()


def test_hints_are_few_whatever_the_text_is() -> None:
    assert len(hints("\n".join(f"`rm -rf folder{number}`" for number in range(500)))) == MOST_HINTS
    assert hints("delete " + "`" * 100_000)
    assert hints("\ud800 `rm \ud800 -rf x`") is not None
