"""A policy file broken in fifty ways: each stops everything, with the right line."""

from __future__ import annotations

from pathlib import Path

import pytest

from aurora_policies import PoliciesEngine, PolicyFileError

HEAD = "# policies\nbudget: {warn_at_percent: 50}\n"
BROKEN: list[tuple[str, int | None, str]] = [
    ("budgets: {}\n", 1, "did you mean budget?"),
    ("destructve: {}\n", 1, "did you mean destructive?"),
    ("safety:\n  protected_path: []\n", 2, "did you mean protected_paths?"),
    ("safety:\n  auto_brnch: true\n", 2, "did you mean auto_branch?"),
    ("destructive:\n  file_delte: {action: deny}\n", 2, "did you mean file_delete?"),
    ("destructive:\n  git_force_psh: {action: deny}\n", 2, "did you mean git_force_push?"),
    ("destructive:\n  drop_table: {acton: deny}\n", 2, ""),
    ("destructive:\n  drop_table: {action: denied}\n", 2, "'allow', 'prompt' or 'deny'"),
    ("destructive:\n  drop_table: {action: Deny}\n", 2, "'allow', 'prompt' or 'deny'"),
    ("destructive:\n  drop_table: {action: true}\n", 2, "'allow', 'prompt' or 'deny'"),
    ("destructive:\n  drop_table: {action: }\n", 2, "'allow', 'prompt' or 'deny'"),
    ("destructive:\n  drop_table: {}\n", 2, "required"),
    ("destructive:\n  drop_table: deny\n", 2, ""),
    ("destructive:\n  drop_table: [deny]\n", 2, ""),
    ("destructive: deny\n", 1, ""),
    ("destructive: []\n", 1, ""),
    ("destructive:\n", 1, ""),
    ("destructive:\n  file_delete: {max_files: -1}\n", 2, "greater than or equal to 0"),
    ("destructive:\n  file_delete: {max_files: five}\n", 2, "integer"),
    ("destructive:\n  file_delete: {max_files: 2.5}\n", 2, "integer"),
    ("destructive:\n  file_delete: {max_files: true}\n", 2, "integer"),
    ('destructive:\n  file_delete: {max_files: "5"}\n', 2, "integer"),
    ("safety:\n  protected_paths: .env\n", 2, "tuple"),
    ("safety:\n  protected_paths: [1]\n", 2, "string"),
    ('safety:\n  protected_paths: ["a", " "]\n', 2, "must not be empty"),
    ("safety:\n  auto_branch: yes please\n", 2, "boolean"),
    ("safety:\n  auto_branch: 1\n", 2, "boolean"),
    ("safety:\n  branch_prefix: '-x'\n", 2, "pattern"),
    ("safety:\n  max_lines_changed: 1e3\n", 2, "integer"),
    ("commands: {}\n", 1, "tuple"),
    ("commands: rm\n", 1, "tuple"),
    ("commands:\n- rm -rf x\n", 2, ""),
    ("commands:\n- {action: deny}\n", 2, "required"),
    ("commands:\n- {pattern: rm}\n", 2, "required"),
    ("commands:\n- {pattern: '', action: deny}\n", 2, "name of a program"),
    ("commands:\n- {pattern: --force, action: deny}\n", 2, "name of a program"),
    ('commands:\n- {pattern: "echo \'a", action: deny}\n', 2, "quotation"),
    ("commands:\n- {pattern: rm, action: refuse}\n", 2, "'allow', 'prompt' or 'deny'"),
    ("commands:\n- pattern: rm\n  actoin: deny\n", 3, "did you mean action?"),
    ("commands:\n- pattern: rm\n  action: deny\n  match: rm x\n", 4, "tuple"),
    ("commands:\n- pattern: rm\n  action: deny\n  match: [ls]\n", 4, "fits no command"),
    ("commands:\n- pattern: rm\n  action: deny\n  not_match: [rm]\n", 4, "fits a command"),
    ("agents: []\n", 1, "dictionary"),
    ("agents:\n  claude:\n    destructive: {truncat: {action: deny}}\n", 3, "did you mean truncate?"),
    ("agents:\n  claude:\n    budget: {}\n", 3, "is not a setting"),
    ("agents:\n  claude:\n    commands:\n    - {pattern: rm, action: deny, matches: []}\n", 4, "did you mean match?"),
    ("safety: {}\nsafety: {}\n", 2, "given twice"),
    ("safety:\n\tauto_branch: true\n", 2, "not valid YAML"),
    ("safety: {auto_branch: true\n", 2, "not valid YAML"),
    ("safety: &a {x: *a}\n", None, "nested too deeply"),
    ("safety: *missing\n", 1, "not valid YAML"),
    ("safety: !!python/name:os.system {}\n", 1, "remove the tag"),
    ("- safety\n", 1, "must be a mapping"),
    ("policies\n", 1, "must be a mapping"),
    ("safety: {}\n---\nbudget: {}\n", 2, "not valid YAML"),
    ("safety: \x00\n", 1, "character"),
]


def test_there_are_fifty() -> None:
    assert len({text for text, _line, _said in BROKEN}) >= 50


@pytest.mark.parametrize(("text", "line", "said"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_stops_everything_with_the_right_line(
    tmp_path: Path, text: str, line: int | None, said: str
) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(text)
    with pytest.raises(PolicyFileError) as caught:
        PoliciesEngine.load(path)
    assert said.lower() in str(caught.value).lower()
    assert line in {problem.line for problem in caught.value.problems}
    path.write_text(HEAD + text)
    if line is not None and "\x00" not in text and not text.startswith(("- ", "policies")):
        with pytest.raises(PolicyFileError) as later:
            PoliciesEngine.load(path)
        assert line + 2 in {problem.line for problem in later.value.problems}
