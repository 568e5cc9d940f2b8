"""Policy files that are broken in many ways, each with the place, the field and a part of the text of its error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Broken:
    """A file; `line` and `column` count from 1, and are None for the file as a whole."""

    content: str | bytes
    line: int | None
    column: int | None
    field: str
    said: str

    @property
    def written(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content.encode()


ACTIONS = "'allow', 'prompt' or 'deny'"
DEEP = "nested too deeply"
NO_YAML = "not valid YAML"

TYPOS = [
    Broken("budgets: {}\n", 1, 1, "budgets", "did you mean budget?"),
    Broken("destructve: {}\n", 1, 1, "destructve", "did you mean destructive?"),
    Broken("safety:\n  protected_path: []\n", 2, 3, "safety.protected_path", "did you mean protected_paths?"),
    Broken("safety:\n  protected_branch: []\n", 2, 3, "safety.protected_branch", "did you mean protected_branches?"),
    Broken("safety:\n  auto_brnch: true\n", 2, 3, "safety.auto_brnch", "did you mean auto_branch?"),
    Broken(
        "destructive:\n  file_delte: {action: deny}\n", 2, 3, "destructive.file_delte", "did you mean file_delete?"
    ),
    Broken("destructive:\n  git_force_psh: {}\n", 2, 3, "destructive.git_force_psh", "did you mean git_force_push?"),
    Broken(
        "destructive:\n  drop_table: {acton: deny}\n", 2, 16, "destructive.drop_table.acton", "did you mean action?"
    ),
    Broken("destructive:\n  drop_table: {acton: deny}\n", 2, 3, "destructive.drop_table.action", "required"),
    Broken("commands:\n- pattern: rm\n  actoin: deny\n", 3, 3, "commands.0.actoin", "did you mean action?"),
    Broken("agents:\n  claude:\n    budget: {}\n", 3, 5, "agents.claude.budget", "is not a setting"),
    Broken(
        "agents:\n  claude:\n    destructive: {truncat: {action: deny}}\n",
        *(3, 19, "agents.claude.destructive.truncat", "did you mean truncate?"),
    ),
    Broken(
        "agents:\n  claude:\n    commands:\n    - {pattern: rm, action: deny, matches: []}\n",
        *(4, 35, "agents.claude.commands.0.matches", "did you mean match?"),
    ),
]
TYPES = [
    Broken("destructive:\n  drop_table: {action: denied}\n", 2, 16, "destructive.drop_table.action", ACTIONS),
    Broken("destructive:\n  drop_table: {action: Deny}\n", 2, 16, "destructive.drop_table.action", ACTIONS),
    Broken("destructive:\n  drop_table: {action: true}\n", 2, 16, "destructive.drop_table.action", ACTIONS),
    Broken("destructive:\n  drop_table: {action: }\n", 2, 16, "destructive.drop_table.action", ACTIONS),
    Broken("destructive:\n  drop_table: {}\n", 2, 3, "destructive.drop_table.action", "required"),
    Broken("destructive:\n  drop_table: deny\n", 2, 3, "destructive.drop_table", "must be a mapping, not"),
    Broken("destructive:\n  drop_table: [deny]\n", 2, 3, "destructive.drop_table", "must be a mapping, not"),
    Broken("destructive: deny\n", 1, 1, "destructive", "must be a mapping, not"),
    Broken("destructive: []\n", 1, 1, "destructive", "must be a mapping, not"),
    Broken("destructive:\n", 1, 1, "destructive", "must be a mapping, not"),
    Broken("destructive:\n  file_delete: {max_files: -1}\n", 2, 17, "destructive.file_delete.max_files", "greater"),
    Broken(
        "destructive:\n  file_delete: {max_files: five}\n",
        2,
        17,
        "destructive.file_delete.max_files",
        "must be a whole number",
    ),
    Broken(
        "destructive:\n  file_delete: {max_files: 2.5}\n",
        2,
        17,
        "destructive.file_delete.max_files",
        "must be a whole number",
    ),
    Broken(
        "destructive:\n  file_delete: {max_files: true}\n",
        2,
        17,
        "destructive.file_delete.max_files",
        "must be a whole number",
    ),
    Broken(
        'destructive:\n  file_delete: {max_files: "5"}\n',
        2,
        17,
        "destructive.file_delete.max_files",
        "must be a whole number",
    ),
    Broken("safety:\n  protected_paths: .env\n", 2, 3, "safety.protected_paths", "must be a list"),
    Broken("safety:\n  protected_paths: [1]\n", 2, 21, "safety.protected_paths.0", "must be text"),
    Broken('safety:\n  protected_paths: ["a", " "]\n', 2, 26, "safety.protected_paths.1", "must not be empty"),
    Broken("safety:\n  protected_paths:\n  - a\n  - {b: c}\n", 4, 5, "safety.protected_paths.1", "must be text"),
    Broken("safety:\n  protected_branches: [refs/heads/main]\n", 2, 24, "safety.protected_branches.0", "refs/heads/"),
    Broken("safety:\n  auto_branch: yes please\n", 2, 3, "safety.auto_branch", "must be true or false"),
    Broken("safety:\n  auto_branch: 1\n", 2, 3, "safety.auto_branch", "must be true or false"),
    Broken("safety:\n  branch_prefix: '-x'\n", 2, 3, "safety.branch_prefix", "pattern"),
    Broken(
        "safety:\n  branch_prefix: team/../x\n", 2, 3, "safety.branch_prefix", "cannot begin the name of a branch"
    ),
    Broken(
        "safety: {branch_prefix: team.lock/}\n", 1, 10, "safety.branch_prefix", "cannot begin the name of a branch"
    ),
    Broken("safety:\n  max_lines_changed: 1e3\n", 2, 3, "safety.max_lines_changed", "must be a whole number"),
    Broken("budget: {monthly_limit_usd: .inf}\n", 1, 10, "budget.monthly_limit_usd", "finite"),
    Broken("commands: {}\n", 1, 1, "commands", "must be a list"),
    Broken("sandbox: {network: shut}\n", 1, 11, "sandbox.network", "must be 'open' or 'none', not \"shut\""),
    Broken("sandbox: {network: [http]}\n", 1, 21, "sandbox.network.0", 'must be a whole number, not "http"'),
    Broken("commands:\n- rm -rf x\n", 2, 3, "commands.0", "must be a mapping, not"),
    Broken("commands:\n- {action: deny}\n", 2, 3, "commands.0.pattern", "required"),
    Broken("commands:\n- {pattern: rm}\n", 2, 3, "commands.0.action", "required"),
    Broken("commands:\n- {pattern: '', action: deny}\n", 2, 4, "commands.0.pattern", "name of a program"),
    Broken("commands:\n- {pattern: --force, action: deny}\n", 2, 4, "commands.0.pattern", "name of a program"),
    Broken('commands:\n- {pattern: "echo \'a", action: deny}\n', 2, 4, "commands.0.pattern", "quotation"),
    Broken("commands:\n- {pattern: rm, action: refuse}\n", 2, 17, "commands.0.action", ACTIONS),
    Broken("commands:\n- pattern: rm\n  action: deny\n  match: rm x\n", 4, 3, "commands.0.match", "must be a list"),
    Broken(
        "commands:\n- pattern: rm\n  action: deny\n  match: [ls]\n", 4, 11, "commands.0.match.0", "fits no command"
    ),
    Broken(
        "commands:\n- {pattern: rm, action: deny, not_match: [rm]}\n",
        2,
        43,
        "commands.0.not_match.0",
        "fits a command",
    ),
    Broken("agents: []\n", 1, 1, "agents", "must be a mapping, not"),
]
TWICE = [
    Broken("safety: {}\nsafety: {}\n", 2, 1, "safety", "given twice, first in line 1"),
    Broken("safety: {auto_branch: true, auto_branch: false}\n", 1, 29, "safety.auto_branch", "given twice"),
    Broken(
        "commands:\n- {pattern: rm, action: deny}\n- pattern: a\n  pattern: b\n", 4, 3, "commands.1.pattern", "twice"
    ),
    Broken("agents:\n  'a b': {}\n  a b: {}\n", 3, 3, "agents.a b", "given twice, first in line 2"),
]
ANCHORS = [
    Broken("safety: &a {x: *a}\n", 1, 9, "", DEEP),
    Broken("safety: *missing\n", 1, 9, "", NO_YAML),
    Broken("x: &a {auto_branch: 1}\nsafety:\n  <<: *a\n", 1, 8, "safety.auto_branch", "must be true or false"),
    Broken(
        "x: &a {auto_branch: true}\nsafety:\n  <<: *a\n  auto_branch: 1\n",
        4,
        3,
        "safety.auto_branch",
        "must be true or false",
    ),
    Broken("safety:\n  <<: [1]\n", 2, 8, "safety", "must bring in a mapping"),
    Broken(
        "a: &a [x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
            for a, b in zip("abcde", "bcdef", strict=True)
        ),
        1,
        None,
        "",
        "too many values",
    ),
]
TEXTS: list[Broken] = [
    Broken("safety:\n\tauto_branch: true\n", 2, 1, "", NO_YAML),
    Broken("safety:\n  auto_branch:\ttrue\n  x\n", 2, 15, "", "found character"),
    Broken("safety: {auto_branch: true\n", 2, 1, "", "a flow mapping that begins in line 1, column 9"),
    Broken("safety:\n  branch_prefix: 'a\n", 3, 1, "", "scalar that begins in line 2, column 18"),
    Broken("safety:\n  auto_branch: true\n budget: {}\n", 3, 2, "", NO_YAML),
    Broken("safety: !!python/name:os.system {}\n", 1, 9, "safety", "remove the tag"),
    Broken("safety:\n  max_lines_changed: !!int x\n", 2, 22, "safety.max_lines_changed", "cannot be read as int"),
    Broken("safety:\n  ? [a]\n  : b\n", 2, 5, "safety", "a key must be a text"),
    Broken("- safety\n", 1, 1, "", "must be a mapping"),
    Broken("policies\n", 1, 1, "", "must be a mapping"),
    Broken("# a comment\n\n  42\n", 3, 3, "", "must be a mapping"),
    Broken("safety: {}\n---\nbudget: {}\n", 2, 1, "", NO_YAML),
    Broken("%YAML 3.0\n---\nsafety: {}\n", 1, 1, "", NO_YAML),
    Broken("safety: \x00\n", 1, 9, "", "U+0000"),
    Broken('safety:\n  branch_prefix: "a\\0b"\n', 2, 18, "safety.branch_prefix", "not text"),
    Broken("safety: " + "[" * 5_000 + "]" * 5_000 + "\n", 1, 108, "", DEEP),
    Broken("".join(" " * n + f"a{n}:\n" for n in range(150)), 100, 100, "", DEEP),
    Broken(b"\xef\xbb\xbfsafety:\n  auto_branch: 1\n", 2, 3, "safety.auto_branch", "must be true or false"),
    Broken(b"\xef\xbb\xbfsafty: {}\n", 1, 1, "safty", "did you mean safety?"),
    Broken("safety:\r\n  auto_branch: true\r\n  max_lines: 1\r\n", 3, 3, "safety.max_lines", "is not a setting"),
    Broken(
        'safety: {protected_paths: ["gr\u00fc\u00dfe\U0001f600", 7]}\n',
        1,
        38,
        "safety.protected_paths.1",
        "must be text",
    ),
    Broken("safety:\n  # stra\u00dfe \xe4\n  auto_branch: true\n".encode("latin-1", "replace"), 2, 9, "", "UTF-8"),
    Broken("safety: {}\n".encode("utf-16"), 1, 1, "", "UTF-8"),
    Broken(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", 1, 1, "", "UTF-8"),
    Broken(b"\x7fELF\x02\x01\x01\x00", 1, 1, "", "U+007F"),
    Broken(b"# " + b"x" * 130_000 + b"\n", None, None, "", "larger than"),
]

BROKEN = [*TYPOS, *TYPES, *TWICE, *ANCHORS, *TEXTS]
