"""The lines that are written to an agent in ACP, made of the types of the official package.

The package is imported when the first agent is talked with: its types take a good part of a second to build.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.conversations.acp.forms import filled
from aurora_spawner.conversations.acp.reading import INITIALIZE, LOAD, NEW, PROMPT
from aurora_spawner.conversations.json_rpc import INVALID_PARAMETERS, UNKNOWN_METHOD

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from aurora_spawner.backends.fields import Fields

EXTRA: Final = "acp"
_PACKAGE: Final = "agent-client-protocol"


def missing_packages() -> list[str]:
    """Names the packages that ACP needs and that are not installed."""
    return [] if find_spec("acp") else [_PACKAGE]


def protocol_version() -> int:
    """Returns the version of the protocol that is spoken."""
    from acp import PROTOCOL_VERSION

    return PROTOCOL_VERSION


def initialize() -> dict[str, Any]:
    """Returns the first request: Aurora serves no files and no terminals, and answers questions."""
    from acp import PROTOCOL_VERSION, schema

    return _request(
        INITIALIZE,
        "initialize",
        schema.InitializeRequest(
            protocol_version=PROTOCOL_VERSION,
            client_capabilities=schema.ClientCapabilities(
                fs=schema.FileSystemCapabilities(read_text_file=False, write_text_file=False),
                terminal=False,
                elicitation=schema.ElicitationCapabilities(form=schema.ElicitationFormCapabilities()),
            ),
            client_info=schema.Implementation(name="aurora", title="Aurora", version=version("aurora-spawner")),
        ),
    )


def new_session(cwd: Path) -> dict[str, Any]:
    """Returns the request for a new session."""
    from acp import schema

    return _request(NEW, "session/new", schema.NewSessionRequest(cwd=str(cwd), mcp_servers=[]))


def load_session(session_id: str, cwd: Path) -> dict[str, Any]:
    """Returns the request for a session of an earlier process."""
    from acp import schema

    return _request(
        LOAD, "session/load", schema.LoadSessionRequest(session_id=session_id, cwd=str(cwd), mcp_servers=[])
    )


def set_mode(request: str, session_id: str, mode: str) -> dict[str, Any]:
    """Returns the request for a mode of the session."""
    from acp import schema

    return _request(request, "session/set_mode", schema.SetSessionModeRequest(session_id=session_id, mode_id=mode))


def set_model(request: str, session_id: str, model: str) -> dict[str, Any]:
    """Returns the request for a model, which is an option of the session."""
    from acp import schema

    chosen = schema.SetSessionConfigOptionSelectRequest(session_id=session_id, config_id="model", value=model)
    return _request(request, "session/set_config_option", chosen)


def prompt(number: int, session_id: str, text: str) -> dict[str, Any]:
    """Returns the request of a turn."""
    from acp import schema

    block = schema.TextContentBlock(type="text", text=text)
    return _request(
        f"{PROMPT}-{number}", "session/prompt", schema.PromptRequest(session_id=session_id, prompt=[block])
    )


def cancel(session_id: str) -> dict[str, Any]:
    """Returns the notification that the turn is to end."""
    from acp import schema

    return {
        "jsonrpc": "2.0",
        "method": "session/cancel",
        "params": _dumped(schema.CancelNotification(session_id=session_id)),
    }


def permission(key: str, *, allowed: bool, cancelled: bool = False) -> dict[str, Any]:
    """Returns the answer to a request for permission.

    Args:
        key: the id of its event.
        cancelled: the turn ends instead.
    """
    from acp import schema

    given = json.loads(key)
    option = "" if cancelled else given["allow"] if allowed else given["reject"]
    outcome = (
        schema.AllowedOutcome(outcome="selected", option_id=option)
        if option
        else schema.DeniedOutcome(outcome="cancelled")
    )
    return _result(given["id"], schema.RequestPermissionResponse(outcome=outcome))


def can_allow(key: str) -> bool:
    """Returns True if a request for permission offers to allow the call once."""
    return bool(json.loads(key)["allow"])


def form_answer(key: str, form: Fields, text: str | None) -> dict[str, Any]:
    """Returns the answer to a form; None declines it."""
    from acp import schema

    answer: BaseModel = (
        schema.DeclineElicitationResponse(action="decline")
        if text is None
        else schema.AcceptElicitationResponse(action="accept", content=filled(form, text))
    )
    return _result(json.loads(key)["id"], answer)


def refusal(key: str, method: str) -> dict[str, Any]:
    """Returns the answer to a request that Aurora does not serve."""
    known = method == "elicitation/create"
    error = {
        "code": INVALID_PARAMETERS if known else UNKNOWN_METHOD,
        "message": f"{method}: {'only forms with fields can be answered' if known else 'not served'}",
    }
    return {"jsonrpc": "2.0", "id": json.loads(key)["id"], "error": error}


def _request(request_id: str, method: str, params: BaseModel) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": _dumped(params)}


def _result(request_id: object, result: BaseModel) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "result": _dumped(result)}


def _dumped(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
