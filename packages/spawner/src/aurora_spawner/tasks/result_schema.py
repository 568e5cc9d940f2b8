"""The schema of a task's result: a JSON Schema that is complete in itself, checked before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from aurora_spawner.errors import TaskError
from aurora_spawner.tasks.schema_problems import problem_words, shown
from aurora_spawner.tasks.strict_json import NotJsonError, parse_strictly

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


class SchemaModel(Protocol):
    """A class that has a JSON Schema, as every pydantic model."""

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        """Returns the schema."""
        ...


SchemaSource = str | Mapping[str, Any] | type[SchemaModel]
"""A JSON Schema as text, as a mapping, or as a pydantic model that has one."""
SCHEMA_BYTES: Final = 64 << 10
"""The longest schema; it stands in the prompt."""
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_DATA: Final = ("const", "enum", "default", "examples")
"""Keywords whose values are data and no schemas."""
_LONGEST: Final = 300


def schema_text(source: object) -> str:
    """Returns a schema as JSON text in one form, whatever it was given as.

    Raises:
        TaskError: It is no JSON Schema, is too long, or refers to something outside of itself.
    """
    text = _as_text(source)
    if len(text.encode()) > SCHEMA_BYTES:
        raise _refused(f"it has more than {SCHEMA_BYTES >> 10} KiB")
    validator_of(text)
    return text


def _as_text(source: object) -> str:
    if isinstance(source, type) and hasattr(source, "model_json_schema"):
        source = source.model_json_schema()
    try:
        document = parse_strictly(source) if isinstance(source, str) else source
        if not isinstance(document, Mapping):
            raise _refused(f"it must be a JSON object, not {shown(document)[:60]}")
        text = json.dumps(dict(document), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        text.encode()
    except (NotJsonError, TypeError, ValueError, RecursionError) as error:
        raise _refused(f"it is not JSON: {error}") from error
    return text


@lru_cache(maxsize=64)
def validator_of(text: str) -> Validator:
    """Returns the validator of a schema's text; it never asks the network.

    Raises:
        TaskError: The text is no JSON Schema, or refers to something outside of itself.
    """
    from jsonschema import FormatChecker
    from jsonschema.exceptions import SchemaError
    from referencing import Registry

    schema = json.loads(text)
    kind = _draft_of(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise _refused(f"it is no JSON Schema: {error.json_path}: {problem_words(error)[:_LONGEST]}") from error
    except RecursionError as error:
        raise _refused("it is nested too deeply") from error
    for reference in _references(schema):
        _check_reference(schema, reference)
    # An empty registry: the library's own asks the network for what it does not know.
    validator = kind(schema, registry=Registry(), format_checker=FormatChecker())
    try:
        validator.is_valid(None)
    except RecursionError as error:
        raise _refused("it refers to itself without an end") from error
    return validator


def _draft_of(schema: Mapping[str, Any]) -> type[Validator]:
    """Returns the validators of the draft that a schema names; those of the latest if it names none."""
    from jsonschema import (
        Draft4Validator,
        Draft6Validator,
        Draft7Validator,
        Draft201909Validator,
        Draft202012Validator,
    )

    drafts = (Draft202012Validator, Draft201909Validator, Draft7Validator, Draft6Validator, Draft4Validator)
    named = schema.get("$schema")
    if named is None:
        return Draft202012Validator
    for draft in drafts:
        about = draft.META_SCHEMA
        if str(named).rstrip("#") == str(about.get("$id") or about.get("id")).rstrip("#"):
            return draft
    raise _refused(f"$schema names no known draft: {ascii(named)[:100]}")


def _check_reference(schema: Mapping[str, Any], reference: str) -> None:
    """Sees that a reference is to a part of the schema itself."""
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    if not reference.startswith("#"):
        raise _refused(f"{reference!a:.200} is outside of it; copy what is needed under $defs and refer to #/$defs/…")
    resource = DRAFT202012.create_resource(schema)
    try:
        Registry().with_resource("", resource).resolver().lookup(reference)
    except (Unresolvable, ValueError, TypeError) as error:
        raise _refused(f"it refers to {reference!a:.200}, which it does not have") from error


def _references(schema: object) -> Iterator[str]:
    """Yields the references of a schema and its parts."""
    parts: list[object] = [schema]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            for key, value in part.items():
                if key in _REFERENCES and isinstance(value, str):
                    yield value
                elif key not in _DATA:
                    parts.append(value)


def _refused(problem: str) -> TaskError:
    return TaskError(f"the schema of the result cannot be used: {problem}", field="result_schema")
