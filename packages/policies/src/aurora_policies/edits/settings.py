"""Added lines that switch a protection off, take code from elsewhere, or give more rights: a table of forms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Form", "forms_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form of lines in some files.

    Attributes:
        files: the paths, from their beginning to their end.
        line: what a line contains.
        rule: the rule that objects.
        reason: what the line does, in words.
        unless: a line anywhere among the added ones that makes the form harmless.
    """

    files: re.Pattern[str]
    line: re.Pattern[str]
    rule: Rule
    reason: str
    unless: re.Pattern[str] | None = None


def _form(files: str, line: str, rule: Rule, reason: str, *, unless: str | None = None) -> Form:
    return Form(
        files=re.compile(files),
        line=re.compile(line),
        rule=rule,
        reason=reason,
        unless=re.compile(unless) if unless else None,
    )


_ANY: Final = r"(?!.*\.(md|rst|txt|adoc)$).*"
"""Everything but prose."""
_CI: Final = (
    r"\.github/workflows/.*|\.circleci/.*"
    r"|(.*/)?(\.gitlab-ci.*|azure-pipelines.*|bitbucket-pipelines.*|\.travis)\.ya?ml"
)
_TESTS: Final = r"(.*/)?(tests?|specs?|__tests__)/.*|(.*/)?(test_[^/]*|[^/]*[_.-](test|spec)s?\.\w+|conftest\.py)"
_COMPOSED: Final = r".*\.ya?ml"
_MIGRATION: Final = r"(.*/)?(migrations|migrate|alembic/versions)/.*"
_TEST_RUN: Final = (
    r"\b(pytest|unittest|tox|nox|jest|vitest|mocha|(npm|pnpm|yarn|bun)\s+(run\s+)?test|cargo\s+test|go\s+test|make\s+(test|check)"
    r"|ruff|mypy|eslint|tsc|gradle\w*\s+test|mvn\s+test|rspec|phpunit)\b"
)

_FORMS: Final = (
    _form(
        _ANY,
        r"\bverify\s*[=:]\s*False\b|check_hostname\s*=\s*False|\bCERT_NONE\b|rejectUnauthorized['\"]?\s*[:=]\s*false"
        r"|NODE_TLS_REJECT_UNAUTHORIZED\W+0|InsecureSkipVerify\s*[:=]\s*true|\bssl_?[vV]erify\b\W+(false|0)|strict-ssl\W+false"
        r"|SSL_VERIFYPEER\s*,\s*(0|false)|danger_accept_invalid_certs\(true",
        Rule.WEAKENED,
        "switches the check of certificates off",
    ),
    _form(
        _ANY,
        r"(?i)^\s*(StrictHostKeyChecking[\s=]+no|PermitRootLogin\s+yes|PermitEmptyPasswords\s+yes|PasswordAuthentication\s+yes)\b",
        Rule.WEAKENED,
        "lets more into a machine, or checks less which one it is",
    ),
    _form(
        _TESTS,
        r"@(pytest\.mark|unittest)\.skip\b(?!if|If)|\bpytest\.skip\([^)]*allow_module_level|\b(it|test|describe|context)\.skip\b"
        r"|\bx(it|describe|test|context)\s*\(|\bt\.Skip(Now|f)?\(|@(Disabled|Ignore)\b|#\[ignore\b|\bcollect_ignore",
        Rule.WEAKENED,
        "switches tests off",
    ),
    _form(
        r".*\.(toml|cfg|ini|ya?ml|json|js|ts|mk)|(.*/)?([Mm]akefile|[Jj]ustfile)",
        rf"{_TEST_RUN}.*(\|\|\s*(true|:|exit\s+0|echo\b)|;\s*(true|exit\s+0)|--exit-zero|--passWithNoTests)"
        r"|--(ignore|deselect)[= ]\S*tests?/|^\s*fail_under\s*=\s*0\b",
        Rule.WEAKENED,
        "lets failing checks pass",
    ),
    _form(
        _CI,
        r"continue-on-error:\s*true|allow_failure:\s*true|^\s*-?\s*if:\s*['\"]?(\$\{\{\s*)?false\b",
        Rule.WEAKENED,
        "lets failing checks pass",
    ),
    _form(
        _CI,
        r"\bpull_request_target\b|permissions:\s*write-all"
        r"|\$\{\{[^}]*github\.event\.(issue|pull_request|comment|review|discussion|head_commit)[^}]*\.(title|body|ref|message|label|name)\b"
        r"|\$\{\{[^}]*github\.head_ref",
        Rule.CODE_INJECTION,
        "lets others run their code in a pipeline with rights",
    ),
    _form(
        r"(.*/)?(\.npmrc|\.yarnrc(\.yml)?|pip\.conf|uv\.toml|pyproject\.toml|requirements[^/]*\.(txt|in)|Gemfile|nuget\.config)"
        r"|(.*/)?\.cargo/config(\.toml)?|(.*/)?\.bundle/config",
        r"(?i)^\s*(@[\w-]+:)?(registry|npmRegistryServer|replace-with|index|default-index)\s*[=:]"
        r"|^\s*-*(extra-)?index-url[\s=]|^\s*-i\s|^\s*-*find-links[\s=]|^\s*-*trusted-host[\s=]|^\s*source\s+['\"]http|\[\[tool\.uv\.index",
        Rule.CODE_INJECTION,
        "takes packages from another place",
    ),
    _form(
        r"(.*/)?package\.json",
        r"^\s*\"(?!homepage|url|repository|bugs|funding|\$schema)[^\"]+\":\s*\"(git\+|git://|https?://|github:)",
        Rule.CODE_INJECTION,
        "takes a package from an address",
    ),
    _form(
        r"(.*/)?requirements[^/]*\.(txt|in)|(.*/)?pyproject\.toml",
        r"\s@\s*(git\+|https?://)",
        Rule.CODE_INJECTION,
        "takes a package from an address",
    ),
    _form(
        r"(.*/)?package\.json",
        r"^\s*\"(pre|post)?install\"\s*:",
        Rule.CODE_INJECTION,
        "runs a command wherever the package is installed",
    ),
    _form(r"(.*/)?\.gitmodules", r"^\s*url\s*=", Rule.CODE_INJECTION, "takes a submodule from an address"),
    _form(
        r"(.*/)?\.gitattributes",
        r"\b(filter=(?!lfs\b)\S+|merge=(?!lfs\b|union\b|binary\b|ours\b)\S+)",
        Rule.CODE_INJECTION,
        "makes git run a filter or a merge driver",
    ),
    _form(
        r"(.*/)?(\.gitconfig|gitconfig)",
        r"(?i)^\s*(hooksPath|sshCommand|fsmonitor|pager|editor|helper|textconv|clean|smudge|insteadOf)\s*=",
        Rule.CODE_INJECTION,
        "makes git run a command",
    ),
    _form(r".*\.pth", r"^\s*import\b", Rule.CODE_INJECTION, "runs code whenever Python starts"),
    _form(
        _COMPOSED,
        r"\bprivileged:\s*true|\bhost(PID|IPC|Network):\s*true|(pid|network_mode|ipc):\s*['\"]?host\b|/var/run/docker\.sock|-\s*['\"]?/:/"
        r"|allowPrivilegeEscalation:\s*true|cluster-admin",
        Rule.SYSTEM_DAMAGE,
        "gives a container rights on its machine",
    ),
    _form(
        r".*\.tf(vars)?",
        r"\bprevent_destroy\s*=\s*false|\bforce_destroy\s*=\s*true|\b(deletion|termination)_protection\s*=\s*false"
        r"|\bskip_final_snapshot\s*=\s*true|\bpublicly_accessible\s*=\s*true",
        Rule.DATA_LOSS,
        "takes the protection from what is stored elsewhere",
    ),
    _form(
        _MIGRATION,
        r"\bdrop_(table|column)\b|\bDROP\s+(TABLE|COLUMN|DATABASE|SCHEMA)\b|\b(DeleteModel|RemoveField)\s*\(|\bTRUNCATE\s+TABLE\b"
        r"|\bDELETE\s+FROM\s+\w+\s*[;'\"]",
        Rule.DROP_TABLE,
        "deletes stored data in a migration",
        unless=r"\bcreate_table\b|\badd_column\b|\bCREATE\s+TABLE\b",
    ),
    _form(
        _ANY,
        r"\b(exec|eval|Function|system|instance_eval|loads)\b\s*\(?.{0,80}\b(b64decode|atob|base64_decode|fromhex|unhexlify|decompress"
        r"|urlopen|requests\.get|httpx\.get|fetch\s*\(|Net::HTTP|file_get_contents\s*\(\s*['\"]http|Buffer\.from\b.{0,60}base64)",
        Rule.CODE_INJECTION,
        "runs code that is decoded or loaded at that moment",
    ),
    _form(
        _ANY,
        r"\b(rmtree|rmSync|rm_rf|[rR]emoveAll|rimraf(\.sync)?|remove_dir_all|deleteDirectory|fs\.rm|rmdirSync)\s*\(\s*"
        r"([\w.]*Path\.home\(\)\s*[,)]|[\w.]*expanduser\(\s*['\"]~/?['\"]\s*\)\s*[,)]|[\w.]*homedir\(\)\s*[,)]"
        r"|['\"](/|~/?|/home|/etc|/usr|/var)['\"]|process\.env\.HOME\s*[,)]|os\.Getenv\(['\"]HOME['\"]\)\s*[,)]"
        r"|(ENV|os\.environ)\[['\"]HOME['\"]\]\s*[,)])",
        Rule.FILE_DELETE,
        "deletes a home or a folder of the system when it runs",
    ),
    _form(
        _ANY,
        r"\b(requests|httpx|fetch|axios|urlopen|http\.Post|got|session)\b.*\b(os\.environ\b(?!\s*[\[.])|process\.env\b(?!\s*[.\[])"
        r"|ENV\.to_h|\$_ENV\b(?!\[))",
        Rule.SECRETS,
        "sends the environment when it runs",
    ),
)


def forms_of(path: str, lines: tuple[tuple[int, str], ...]) -> Iterator[tuple[int, Form]]:
    """Yields the number of each added line that fits a form, with the form."""
    for form in _FORMS:
        if form.files.fullmatch(path) is None:
            continue
        if form.unless is not None and any(form.unless.search(text) for _number, text in lines):
            continue
        for number, text in lines:
            if len(text) <= _LONGEST and form.line.search(text):
                yield number, form


_LONGEST: Final = 2_000
"""A longer line is data; forms would take long on it."""
