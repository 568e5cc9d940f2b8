"""An agent made with the agent side of the official ACP package, which checks each message that it is sent.

It does in one turn everything that an agent can ask of Aurora: it asks for permission, asks a question, asks for a
file, which is not served, and says what it was answered.
"""

from __future__ import annotations

import asyncio
from typing import Any

import acp
from acp import schema


class Official:
    """The agent; a session is loaded if it is called `known`."""

    client: Any
    loaded = ""

    def on_connect(self, conn: Any) -> None:
        self.client = conn

    async def initialize(self, protocol_version: int, **given: Any) -> schema.InitializeResponse:
        capabilities = given["client_capabilities"]
        assert (capabilities.terminal, capabilities.fs.read_text_file) == (False, False)
        assert given["client_info"].name == "aurora"
        return schema.InitializeResponse(
            protocol_version=protocol_version, agent_capabilities=schema.AgentCapabilities(load_session=True)
        )

    async def new_session(self, cwd: str, **_given: Any) -> schema.NewSessionResponse:
        assert cwd.startswith("/")
        return schema.NewSessionResponse(session_id="known")

    async def load_session(self, cwd: str, session_id: str, **_given: Any) -> schema.LoadSessionResponse:
        if session_id != "known":
            raise acp.RequestError.invalid_params({"details": "no such session"})
        self.loaded = f"loaded in {cwd[:1]} "
        return schema.LoadSessionResponse()

    async def prompt(self, session_id: str, prompt: list[Any], **_given: Any) -> schema.PromptResponse:
        await self._say(session_id, f"{self.loaded}{prompt[0].text}")
        call = schema.ToolCallUpdate(tool_call_id="c", kind="execute", title="ls", raw_input={"command": "ls"})
        options = [
            schema.PermissionOption(option_id="a", name="Always", kind="allow_always"),
            schema.PermissionOption(option_id="y", name="Yes", kind="allow_once"),
            schema.PermissionOption(option_id="n", name="No", kind="reject_once"),
        ]
        chosen = await self.client.request_permission(session_id=session_id, tool_call=call, options=options)
        await self._say(session_id, f", permission {chosen.outcome.option_id}")
        field = schema.ElicitationIntegerPropertySchema(type="integer")
        form = schema.ElicitationFormSessionMode(
            session_id=session_id, requested_schema=schema.ElicitationSchema(properties={"n": field})
        )
        answer = await self.client.create_elicitation(message="How many?", mode=form)
        await self._say(session_id, f", answer {answer.content['n'] + 1}")
        try:
            await self.client.read_text_file(session_id=session_id, path="/x")
        except acp.RequestError as error:
            await self._say(session_id, f", file {error.code}")
        usage = schema.Usage(total_tokens=3, input_tokens=2, output_tokens=1)
        return schema.PromptResponse(stop_reason="end_turn", usage=usage)

    async def _say(self, session_id: str, text: str) -> None:
        await self.client.session_update(session_id=session_id, update=acp.update_agent_message_text(text))


if __name__ == "__main__":
    asyncio.run(acp.run_agent(Official(), use_unstable_protocol=True))  # type: ignore[arg-type]
