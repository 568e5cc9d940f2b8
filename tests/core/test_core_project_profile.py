"""A profile names languages, layout, entry points and commands from file names and manifests."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_core.project_profile.detect import detect_profile
from aurora_core.project_profile.document import as_markdown
from aurora_core.project_profile.profile import EntryPoint, Language, ProjectProfile, Purpose


def profile_of(root: Path, files: dict[str, str]) -> ProjectProfile:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return detect_profile(root, sorted(files))


def lines(profile: ProjectProfile, purpose: Purpose) -> list[str]:
    return [command.line for command in profile.commands if command.purpose is purpose]


def test_languages_come_most_files_first_and_unknown_suffixes_are_left_out(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, {"a.py": "", "b.py": "", "web/c.TS": "", "d.bin": "", "LICENSE": ""})
    assert profile.languages == (Language(name="Python", files=2), Language(name="TypeScript", files=1))
    assert profile.files == 5


def test_layout_describes_folders_at_the_top_by_name_or_by_main_language(tmp_path: Path) -> None:
    profile = profile_of(
        tmp_path, {"src/a/b.py": "", "tests/t.py": "", "engine/x.go": "", "engine/y.go": "", "blobs/z": ""}
    )
    assert [(folder.name, folder.files, folder.holds) for folder in profile.layout] == [
        ("blobs", 1, ""),
        ("engine", 2, "Go"),
        ("src", 1, "source"),
        ("tests", 1, "tests"),
    ]


def test_a_python_project_tells_scripts_tests_linters_and_build(tmp_path: Path) -> None:
    profile = profile_of(
        tmp_path,
        {
            "pyproject.toml": '[build-system]\nrequires=[]\n[project.scripts]\nshop = "shop.cli:main"\n'
            "[tool.pytest.ini_options]\n[tool.ruff]\n[tool.mypy]\n",
            "src/shop/__main__.py": "",
            "tests/__main__.py": "",
        },
    )
    assert profile.entry_points == (
        EntryPoint(name="shop", target="shop.cli:main", source="pyproject.toml"),
        EntryPoint(name="python -m shop", target="src/shop/__main__.py", source="src/shop/__main__.py"),
    )
    assert lines(profile, Purpose.TEST) == ["pytest"]
    assert lines(profile, Purpose.LINT) == ["ruff check .", "mypy ."]
    assert lines(profile, Purpose.BUILD) == ["python -m build"]


def test_a_package_inside_a_workspace_is_named_by_its_import_path(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, {"packages/core/src/shop/tools/__main__.py": ""})
    assert profile.entry_points[0].name == "python -m shop.tools"


def test_a_flat_package_is_named_by_its_import_path(tmp_path: Path) -> None:
    assert profile_of(tmp_path, {"shop/__main__.py": ""}).entry_points[0].name == "python -m shop"


def test_setup_cfg_and_setup_py_are_read_without_running_them(tmp_path: Path) -> None:
    profile = profile_of(
        tmp_path,
        {
            "setup.cfg": "[options.entry_points]\nconsole_scripts =\n  shop = shop:main\n[tool:pytest]\n",
            "setup.py": "raise SystemExit('was run')",
            "manage.py": "",
        },
    )
    assert [point.name for point in profile.entry_points] == ["shop", "python manage.py"]
    assert lines(profile, Purpose.TEST) == ["pytest", "python manage.py test"]
    assert lines(profile, Purpose.BUILD) == ["python -m build"]


@pytest.mark.parametrize(
    ("lock", "runner"), [("package-lock.json", "npm"), ("yarn.lock", "yarn"), ("pnpm-lock.yaml", "pnpm")]
)
def test_the_lock_file_tells_the_package_manager(tmp_path: Path, lock: str, runner: str) -> None:
    manifest = {"name": "shop", "main": "index.js", "bin": {"shop": "cli.js"}, "scripts": {"test": "vitest"}}
    profile = profile_of(tmp_path, {"package.json": json.dumps(manifest), lock: ""})
    assert lines(profile, Purpose.TEST) == [f"{runner} run test"]
    assert [(point.name, point.target) for point in profile.entry_points] == [
        ("shop", "cli.js"),
        ("import shop", "index.js"),
    ]


def test_the_placeholder_test_script_of_npm_is_no_test_command(tmp_path: Path) -> None:
    script = 'echo "Error: no test specified" && exit 1'
    profile = profile_of(tmp_path, {"package.json": json.dumps({"scripts": {"test": script, "build": "tsc"}})})
    assert lines(profile, Purpose.TEST) == []
    assert lines(profile, Purpose.BUILD) == ["npm run build"]


@pytest.mark.parametrize(
    ("manifest", "test_line"),
    [
        ("Cargo.toml", "cargo test"),
        ("go.mod", "go test ./..."),
        ("pom.xml", "mvn test"),
        ("build.gradle.kts", "gradle test"),
        ("CMakeLists.txt", "ctest --test-dir build"),
        ("tox.ini", "tox"),
        ("noxfile.py", "nox"),
    ],
)
def test_a_manifest_tells_how_its_ecosystem_tests(tmp_path: Path, manifest: str, test_line: str) -> None:
    assert lines(profile_of(tmp_path, {manifest: ""}), Purpose.TEST) == [test_line]


def test_gradle_is_run_by_the_wrapper_where_there_is_one(tmp_path: Path) -> None:
    assert lines(profile_of(tmp_path, {"build.gradle": "", "gradlew": ""}), Purpose.BUILD) == ["./gradlew build"]


def test_cargo_binaries_and_go_commands_are_entry_points(tmp_path: Path) -> None:
    profile = profile_of(
        tmp_path,
        {
            "Cargo.toml": '[[bin]]\nname = "shop"\npath = "src/bin/shop.rs"\n',
            "src/main.rs": "",
            "cmd/shopd/main.go": "",
            "main.go": "",
        },
    )
    assert {point.name for point in profile.entry_points} == {"shop", "cargo run", "go run ./cmd/shopd", "go run ./"}


def test_own_recipes_come_before_what_the_language_suggests(tmp_path: Path) -> None:
    makefile = "VAR := x\n.PHONY: check\ncheck: build\n\tpytest\nbuild dist:\n\tmake x\nlint:\n"
    profile = profile_of(
        tmp_path, {"pyproject.toml": "[tool.pytest]\n", "Makefile": makefile, "justfile": "test *args:\n  pytest\n"}
    )
    assert lines(profile, Purpose.TEST) == ["just test", "make check", "pytest"]
    assert lines(profile, Purpose.LINT) == ["make lint"]


def test_a_malformed_manifest_is_named_with_its_reason_and_the_rest_is_read(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, {"pyproject.toml": "[", "package.json": "[]", "go.mod": ""})
    assert [line.partition(":")[0] for line in profile.unread] == ["pyproject.toml", "package.json"]
    assert lines(profile, Purpose.TEST) == ["go test ./..."]


def test_a_manifest_that_vanished_since_the_listing_is_named(tmp_path: Path) -> None:
    (unread,) = detect_profile(tmp_path, ["pyproject.toml"]).unread
    assert unread.startswith("pyproject.toml: ")


def test_the_page_has_a_section_for_each_thing_found_and_none_for_what_is_missing(tmp_path: Path) -> None:
    page = as_markdown(profile_of(tmp_path, {"src/a.py": "", "Makefile": "test:\n"}))
    assert f"# {tmp_path.name}\n" in page
    assert "- Python: 1 file\n" in page
    assert "- `src/` 1 file, source" in page
    assert "- test: `make test` (Makefile)" in page
    assert "Entry points" not in page
    assert "Not understood" not in page


def test_the_page_stays_short_for_a_project_with_many_folders(tmp_path: Path) -> None:
    page = as_markdown(detect_profile(tmp_path, [f"d{number:03}/x" for number in range(50)]))
    assert "- … and 38 more" in page


def test_names_cannot_break_out_of_their_line(tmp_path: Path) -> None:
    page = as_markdown(detect_profile(tmp_path, ["a\n# Title`x/y.py"]))
    assert "\n# Title" not in page


@given(
    name=st.sampled_from(["pyproject.toml", "setup.cfg", "package.json", "Cargo.toml", "Makefile"]),
    content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
def test_no_content_of_a_manifest_raises(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content)
        as_markdown(detect_profile(Path(folder), [name]))


@pytest.mark.parametrize("table", ["project", "tool", "project.scripts", "tool.poetry", "bin"])
@pytest.mark.parametrize("value", ["1", "[]", "'x'", "[1, {}]"])
def test_tables_of_the_wrong_type_are_passed_over(tmp_path: Path, table: str, value: str) -> None:
    text = f"{table} = {value}\n"
    assert profile_of(tmp_path, {"pyproject.toml": text, "Cargo.toml": text}).entry_points == ()
