"""Questions of an agent in ACP: a form with fields, put to the user as one question and filled from one answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aurora_spawner.backends.events import QuestionAsked
from aurora_spawner.conversations.answers import answer_of_each, with_choices

if TYPE_CHECKING:
    from aurora_spawner.backends.fields import Fields


def question_in(request_id: str, params: Fields) -> QuestionAsked | None:
    """Returns the question of a form; None if it has no fields, or is no form."""
    fields = params.fields("requestedSchema").fields("properties")
    names = [name for name in fields.raw if isinstance(fields.raw[name], dict)]
    if params.text("mode") not in ("", "form") or not names:
        return None
    alone = len(names) == 1
    choices = _choices(fields.fields(names[0])) if alone else []
    default = fields.fields(names[0]).raw.get("default") if alone else None
    lines = [params.text("message") or "?"]
    lines += [] if alone else [_in_words(name, fields.fields(name)) for name in names]
    return QuestionAsked(
        id=request_id,
        text="\n".join(lines),
        default=None if default is None else _as_text(default),
        choices=tuple(choices),
        given=fields.raw,
    )


def filled(form: Fields, text: str) -> dict[str, Any]:
    """Returns the content of a form; of several fields, each line of the answer fills one."""
    names = [name for name, field in form.raw.items() if isinstance(field, dict)]
    answers = answer_of_each(names, text)
    return {name: _value(form.fields(name), said.strip()) for name, said in answers.items()}


def _in_words(name: str, field: Fields) -> str:
    return with_choices(field.text("title") or field.text("description") or name, _choices(field))


def _choices(field: Fields) -> list[str]:
    if field.text("type") == "boolean":
        return ["true", "false"]
    source = field.fields("items") if field.text("type") == "array" else field
    plain = source.raw.get("enum")
    titled = source.rows("oneOf") or source.rows("anyOf")
    return (
        [str(each) for each in plain] if isinstance(plain, list) else [each.text("title", "const") for each in titled]
    )


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _value(field: Fields, text: str) -> Any:
    """Returns an answer as the type of its field; the agent judges what does not fit."""
    kind = field.text("type")
    if kind == "boolean":
        return text.lower() in ("true", "yes", "y", "1")
    if kind in ("integer", "number"):
        try:
            return int(text) if kind == "integer" else float(text)
        except ValueError:
            return text
    if kind == "array":
        return [_constant(field.fields("items"), each.strip()) for each in text.split(",") if each.strip()]
    return _constant(field, text)


def _constant(field: Fields, text: str) -> str:
    """Returns the value that stands for a choice's title."""
    choices = field.rows("oneOf") + field.rows("anyOf")
    return next((each.text("const") for each in choices if text == each.text("title")), "") or text
