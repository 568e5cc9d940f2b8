"""worktree.yaml: read strictly; an error names file, line, field, and the setting that was probably meant."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples

from aurora_spawner.workspaces.errors import PreparationError
from aurora_spawner.workspaces.preparation import Preparation, slug_of
from aurora_spawner.workspaces.preparation_file import read_preparation

WHOLE = """\
copy: [".env.test", "config/local.json"]
link: ["node_modules", "data/big"]
setup: ["uv sync --frozen"]
setup_timeout_seconds: 60
ports: 5
env: {DATABASE_NAME: "app_{slug}", COMPOSE_PROJECT_NAME: "{slug}", URL: "http://localhost:{port_base}/{{x}}"}
regenerate: {"package-lock.json": "npm install --package-lock-only", "**/*.pb.go": "make generate"}
max_disk_gb: 1.5
"""


def test_all_settings(tmp_path: Path) -> None:
    (tmp_path / "worktree.yaml").write_text(WHOLE)
    found = read_preparation(tmp_path / "worktree.yaml")
    assert found == Preparation(
        copy=(".env.test", "config/local.json"),
        link=("node_modules", "data/big"),
        setup=("uv sync --frozen",),
        setup_timeout_s=60,
        ports=5,
        env={
            "DATABASE_NAME": "app_{slug}",
            "COMPOSE_PROJECT_NAME": "{slug}",
            "URL": "http://localhost:{port_base}/{{x}}",
        },
        regenerate={"package-lock.json": "npm install --package-lock-only", "**/*.pb.go": "make generate"},
        max_disk_bytes=1_500_000_000,
    )
    assert found.without_commands().regenerate == {}
    assert found.variables(slug="s", port_base=20_000, run_id="r", task_id="t") == {
        "DATABASE_NAME": "app_s",
        "COMPOSE_PROJECT_NAME": "s",
        "URL": "http://localhost:20000/{x}",
        "AURORA_SLUG": "s",
        "AURORA_PORT_BASE": "20000",
        "AURORA_PORT_COUNT": "5",
    }


@pytest.mark.parametrize("text", [None, "", "# nothing\n"])
def test_without_settings_the_defaults_hold(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "worktree.yaml"
    if text is not None:
        file.write_text(text)
    assert read_preparation(file) == Preparation()


@pytest.mark.parametrize(("text", "line", "field", "problem"), [
    ("ports: 1\nsetups: [x]\n", 2, "setups", "is not a setting; did you mean setup?"),
    ("zebra: 1\n", 1, "zebra", "is not a setting; known: copy, link, setup, setup_timeout_seconds, ports, env"),
    ("copy: x\n", 1, "copy", "must be a list"),
    ("copy:\n  - a\n  - 7\n", 3, "copy.1", "must be text"),
    ("copy:\n  - a\n  - ../b\n", 3, "copy.1", "'../b' leads out of the project"),
    ("copy: [/etc/passwd]\n", 1, "copy.0", "leads out of the project"),
    ('copy: [""]\n', 1, "copy.0", "is no path"),
    ("copy: [.]\n", 1, "copy.0", "is no path"),
    ("link: [.git/hooks]\n", 1, "link.0", "belongs to git or to Aurora itself"),
    ("copy: [./.aurora/runs.db]\n", 1, "copy.0", "belongs to git or to Aurora itself"),
    ("link:\n  - data\n  - data/big\n", 1, "link", "'data/big' is inside 'data', which is linked as a whole"),
    ("setup: ['  ']\n", 1, "setup.0", "is an empty command"),
    ("setup_timeout_seconds: 0\n", 1, "setup_timeout_seconds", "greater than 0"),
    ("setup_timeout_seconds: .inf\n", 1, "setup_timeout_seconds", "finite"),
    ("ports: 1001\n", 1, "ports", "less than or equal to 1000"),
    ("ports: -1\n", 1, "ports", "greater than or equal to 0"),
    ("ports: '10'\n", 1, "ports", "must be a whole number"),
    ("max_disk_gb: 0\n", 1, "max_disk_gb", "greater than 0"),
    ("env: {A: '{slog}'}\n", 1, "env.A", "{slog} is not known here; known: {slug}, {port_base}, {run}, {task}"),
    ("env: {A: '{slug.__class__}'}\n", 1, "env.A", "is not known here"),
    ("env: {A: '{slug!r}'}\n", 1, "env.A", "is not known here"),
    ("env: {A: '{slug:>99999999}'}\n", 1, "env.A", "is not known here"),
    ("env: {A: 'a}'}\n", 1, "env.A", "is no template"),
    ("env:\n  A: x\n  AURORA_SLUG: y\n", 3, "env.AURORA_SLUG", "is set by Aurora itself"),
    ("env: {GIT_DIR: y}\n", 1, "env.GIT_DIR", "begins with GIT_"),
    ("env: {'a b': y}\n", 1, "env.a b", "is no name of an environment variable"),
    ("env: {A: 1}\n", 1, "env.A", "must be text"),
    ("regenerate: [make]\n", 1, "regenerate", "must be a mapping"),
    ("regenerate: {a.lock: ''}\n", 1, "regenerate.a.lock", "is an empty command"),
    ("regenerate:\n  a: x\n  ../b: y\n", 3, "regenerate.../b", "leads out of the project"),
    ("regenerate: {.git/config: y}\n", 1, "regenerate..git/config", "belongs to git"),
    ("ports: 1\nports: 2\n", 2, "ports", "is given twice, first in line 1"),
    ("- x\n", 1, "", "must be a mapping of settings"),
    ("ports: [\n", 2, "", "is not valid YAML"),
    ("ports: !!python/object:os.system {}\n", 1, "", "has the tag"),
])  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, text: str, line: int, field: str, problem: str) -> None:
    file = tmp_path / "worktree.yaml"
    file.write_text(text)
    with pytest.raises(PreparationError) as error:
        read_preparation(file)
    assert (error.value.path, error.value.line, error.value.field) == (file, line, field)
    assert problem in error.value.problem
    assert str(error.value).startswith(f"{file}:{line}: {field}")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: \0", b"x" * 200_000])
def test_what_is_no_text_of_yaml_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "worktree.yaml").write_bytes(content)
    with pytest.raises(PreparationError):
        read_preparation(tmp_path / "worktree.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(PreparationError, match="is not a regular file"):
        read_preparation(tmp_path / "folder.yaml")


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=80)
    | st.from_regex(r"(copy|link|setup|ports|env|regenerate|max_disk_gb): [\[\]{}'\":a-z0-9./!&*-]{0,30}")
)
def test_any_text_is_read_or_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "worktree.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with suppress(PreparationError):
        read_preparation(file).variables(slug="s", port_base=1, run_id="r", task_id="t")


@pytest.mark.parametrize(("field", "value"), [
    ("copy", ("/etc",)), ("link", ("a", "a/b")), ("setup", ("",)), ("setup_timeout_s", 0.0), ("ports", 2000),
    ("env", {"A": "{x}"}), ("regenerate", {"a.lock": " "}), ("regenerate", {"/etc/x": "make"}),
])  # fmt: skip
def test_a_program_is_told_the_same(field: str, value: object) -> None:
    with pytest.raises(PreparationError) as error:
        Preparation(**{field: value})  # type: ignore[arg-type]
    assert error.value.field.startswith(field)


def test_slugs_are_short_plain_and_different(tmp_path: Path) -> None:
    names = ("1", "1-2", "a" * 60, "...", "Ünï", "1_2")
    slugs = {slug_of(tmp_path / run / name) for run in ("spawn-1", "spawn-2") for name in names}
    assert len(slugs) == 2 * len(names)
    assert all(slug.replace("_", "").isalnum() and slug.isascii() and len(slug) <= 33 for slug in slugs)
