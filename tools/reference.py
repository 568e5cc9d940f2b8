"""Writes the references from the program.

Commands come from their help, settings from the schemas that read them, documents from the shapes that the tests hold
`--json` to.

    python3 dev.py run python tools/reference.py --write

Without `--write` it only compares, and ends with status 1 if a page is not what the program says.
"""

from __future__ import annotations

import json
import os
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from aurora_cli.catalogue import CATALOGUE
from aurora_cli.documents import Schema
from aurora_cli.main import root
from aurora_core.settings.config_file import ConfigFile
from aurora_policies.schema import Policies

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_cli.catalogue import Entry

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / "docs" / "reference"
SHAPES: Final = ROOT / "tests" / "cli" / "shapes"
MADE: Final = "<!-- written by tools/reference.py; do not edit -->"
WIDTH: Final = 100


def main() -> None:
    """Writes the pages, or compares them."""
    write = "--write" in sys.argv[1:]
    stale = []
    for name, text in pages().items():
        file = FOLDER / name
        if write:
            FOLDER.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(str(file))
    if stale:
        sys.exit(f"not as the program says; write them again with --write: {', '.join(stale)}")


def pages() -> dict[str, str]:
    """Returns the text of each page, by file name."""
    return {
        "commands.md": "\n".join(command_lines()),
        "documents.md": "\n".join(document_lines()),
        "config.md": "\n".join(
            setting_lines(
                "config.yaml",
                ConfigFile,
                "of `.aurora/config.yaml` and `~/.config/aurora/config.yaml`",
                "What each means: [the command](../cli.md), [agents](../agents.md), [recovery](../recovery.md), "
                "[memory](../memory.md), [checks](../checks.md), [notifications](../notifications.md), "
                "[the dashboard](../dashboard.md#signing-in).",
            )
        ),
        "policies.md": "\n".join(
            setting_lines(
                "policies.yaml",
                Policies,
                "of `.aurora/policies.yaml`",
                "What each means: [policies](../policies.md); `aur policies init` writes the file with every setting "
                "explained.",
            )
        ),
    }


def command_lines() -> Iterator[str]:
    """Yields the page of all commands: the help of each, as it prints it."""
    os.environ["COLUMNS"] = str(WIDTH)
    yield from (MADE, "", "# Commands", "", "The help of every command, as `aur COMMAND --help` prints it.", "")
    yield from ("[The aur command](../cli.md) explains them.", "")
    for path in paths(CATALOGUE):
        yield from (f"## aur {' '.join(path)}", "", "```text", help_of(path).rstrip(), "```", "")


def document_lines() -> Iterator[str]:
    """Yields the page of what `--json` prints: each schema, the commands that print it, and its members."""
    commands: dict[str, list[str]] = {}
    members: dict[str, dict[str, str]] = {}
    for file in sorted(SHAPES.glob("*.json")):
        shape = json.loads(file.read_text(encoding="utf-8"))
        commands.setdefault(shape["schema"], []).append(shape["command"])
        known = members.setdefault(shape["schema"], {})
        for name, kind in members_of(shape["document"]):
            known[name] = " or ".join(dict.fromkeys([*known.get(name, kind).split(" or "), *kind.split(" or ")]))
    yield from (MADE, "", "# Documents", "", "What `--json` prints, as the tests of the commands read it.", "")
    yield "Every document is one JSON object whose first member, `schema`, names what it is and its version:"
    yield '`{"schema": "aur.runs/1", "runs": […]}`. The version rises if a member is renamed, removed or gets'
    yield "another type; new members do not change it. A list has `[]` after its name; `list` is one that was empty."
    yield "What each member means: [the aur command](../cli.md), at the command's option `--json`."
    yield ""
    for schema in sorted(commands):
        yield from (f"## {schema}", "", f"{', '.join(f'`{each}`' for each in commands[schema])}", "")
        yield from ("| member | type |", "|---|---|")
        yield from (f"| `{name}` | {kind} |" for name, kind in members[schema].items())
        yield ""
    yield from ("## Others", "", "The same envelope, with members as [the aur command](../cli.md) lists them:")
    yield f"{', '.join(f'`{each}`' for each in sorted(set(Schema) - set(commands)))}."
    yield ""


def members_of(shape: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Yields the dotted name and the type of each member of a shape."""
    for name, inner in shape.items():
        many = isinstance(inner, list)
        kind = inner[0] if many and inner else "list" if many else inner
        path = f"{above}{name}{'[]' if many and inner else ''}"
        if isinstance(kind, dict) and kind:
            yield from members_of(kind, f"{path}.")
        else:
            yield path, "object" if isinstance(kind, dict) else str(kind)


def paths(entries: Sequence[Entry], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yields the words of each command, groups before their commands."""
    for entry in entries:
        yield (*above, entry.name)
        yield from paths(entry.entries, (*above, entry.name))


def help_of(path: tuple[str, ...]) -> str:
    """Returns the help of a command at a fixed width."""
    context = click.Context(root, info_name="aur", terminal_width=WIDTH, **root.context_settings)
    command: click.Command = root
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(context, name)
        assert found is not None
        command = found
        context = command.context_class(
            command, info_name=name, parent=context, terminal_width=WIDTH, **command.context_settings
        )
    return command.get_help(context)


def setting_lines(title: str, model: type[BaseModel], where: str, more: str) -> Iterator[str]:
    """Yields the page of the settings of a file."""
    yield from (MADE, "", f"# {title}", "", f"Every setting {where}, with its type and its default.", "", more, "")
    yield from ("| setting | type | default |", "|---|---|---|")
    for key, kind, default in settings_of(model):
        yield f"| `{key}` | {kind} | {default} |"
    yield ""


def settings_of(
    model: type[BaseModel], above: str = "", given: BaseModel | None = None
) -> Iterator[tuple[str, str, str]]:
    """Yields the dotted name, type and default of each setting; `NAME` stands for a name of the user's.

    Args:
        given: the section as it is without the file; it may set what its model requires.
    """
    for name, field in model.model_fields.items():
        key = f"{above}{field.alias or name}"
        shown = field.get_default(call_default_factory=True, validated_data={})
        if given is not None:
            shown = getattr(given, name)
        inner, many = section_in(field.annotation)
        if inner is not None:
            rows = settings_of(inner, f"{key}{many}.", shown if isinstance(shown, inner) else None)
            for each, kind, default in rows:  # a section of an agent only makes stricter what holds for all
                inherits = key == "agents" and "[]" not in each
                yield each, kind, "as for all agents" if inherits else default
            continue
        required = field.is_required() and given is None
        default = "none" if shown in (None, PydanticUndefined) else f"`{plain(shown)}`"
        yield key, type_of(field.annotation), "required" if required else default


def section_in(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """Returns the model of a section, and what stands for its name or place; None if it is a value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    arguments = getattr(annotation, "__args__", ())
    origin = str(getattr(annotation, "__origin__", ""))
    found = next((model for each in arguments if (model := section_in(each)[0])), None)
    return found, ".NAME" if "dict" in origin else "[]" if "list" in origin or "tuple" in origin else ""


def type_of(annotation: Any) -> str:
    """Returns a type in words that are the same in every version of Python."""
    arguments = [
        each for each in getattr(annotation, "__args__", ()) if not callable(getattr(each, "validate", None))
    ]
    origin = getattr(annotation, "__origin__", None)
    if str(annotation).startswith("typing.Literal"):
        return " or ".join(f"`{each}`" for each in arguments)
    if hasattr(annotation, "__metadata__"):
        return type_of(origin)
    if arguments:
        inner = [type_of(each) for each in arguments if each is not Ellipsis]
        name = {"dict": "mapping of", "list": "list of", "tuple": "list of"}.get(getattr(origin, "__name__", ""))
        return f"{name} {', '.join(inner)}" if name else " or ".join(inner)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{each.value}`" for each in annotation)
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "NoneType": "none"}
    return names.get(getattr(annotation, "__name__", ""), "value")


def plain(value: Any) -> str:
    """Returns a default as YAML would have it."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="json"))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(plain(each) for each in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {plain(each)}' for name, each in value.items())}}}"
    return str(getattr(value, "value", value)) or '""'


if __name__ == "__main__":
    main()
