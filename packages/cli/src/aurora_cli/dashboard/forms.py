"""The fields of a form that was sent, up to a size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["FormError", "form_of"]

MOST_BYTES: Final = 500_000
MOST_FIELDS: Final = 6_000


class FormError(ValueError):
    """Content that is no form of a page, or too long."""


async def form_of(request: Request) -> dict[str, str]:
    """Returns the fields of a form; no more is read than a form may have.

    Raises:
        FormError: it is too long, or no form.
    """
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MOST_BYTES:
            raise FormError("The form is too long.")
    try:
        text = content.decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"))
    except ValueError as error:
        raise FormError("What was sent is no form.") from error
