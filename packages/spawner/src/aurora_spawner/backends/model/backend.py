"""The backend of a direct model call: no tools, one question, one answer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aurora_spawner.backends.base import AttemptRequest, Invocation, Reply
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.model.apis import APIS, KEY_VARIABLE
from aurora_spawner.backends.reply_builder import digest_of
from aurora_spawner.errors import BackendError, MissingExtraError
from aurora_spawner.supervision.interpreter import python_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.tasks.task import SpawnTask

PROGRAM: Final = "aurora_spawner.backends.model.call"
"""The module that makes the call."""
EXTRA: Final = "models"
"""The extra of this package that installs what the module imports."""
NEEDED: Final = ("httpx", "tenacity")
MAX_TOKENS: Final = 16_384
HISTORY_TOKENS: Final = 32_000
IDLE_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBackend:
    """A model behind one of the APIs of `APIS`.

    Raises:
        BackendError: The API is unknown, or the model is missing.
    """

    name: str
    api: str
    model: str
    """The model for tasks that name none."""
    base_url: str = ""
    """The address that replaces the provider's own."""
    key: Callable[[], str] | None = field(default=None, repr=False)
    """Returns the key, called for each attempt; None for a server without keys. It may raise a BackendError."""
    max_tokens: int = MAX_TOKENS
    """The largest answer, for an API that requires the number."""
    history_tokens: int = HISTORY_TOKENS
    """The most tokens, estimated, of the earlier turns that are sent with a turn of a conversation."""
    idle_s: float = IDLE_S
    """The longest silence within an answer, in seconds."""
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    named_provider: str | None = None
    resumes: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.api not in APIS:
            raise BackendError(self.name, f"unknown api {self.api}; known APIs: {', '.join(APIS)}")
        if not self.model:
            raise BackendError(self.name, "has no model; name one in `model:`")

    @property
    def dialect(self) -> Dialect:
        """The dialect of the calling program."""
        return DIALECTS["model"]

    @property
    def provider(self) -> str:
        """The provider whose rate limits apply: the API's, shared with its CLI, or the server of `base_url`."""
        if self.named_provider:
            return self.named_provider
        return urlsplit(self.base_url).netloc or self.base_url if self.base_url else APIS[self.api].provider

    def invoke(self, task: SpawnTask) -> Invocation:
        """Returns the invocation without the paths of an attempt.

        Raises:
            MissingExtraError: The packages that call a model are not installed.
        """
        here = Path()
        return self.request(AttemptRequest(task=task, folder=here, prompt_file=here / "prompt", home=here / "home"))

    def request(self, request: AttemptRequest) -> Invocation:
        """Returns the invocation for an attempt; the key is in its environment only.

        Raises:
            MissingExtraError: The packages that call a model are not installed.
        """
        missing = [name for name in NEEDED if find_spec(name) is None]
        if missing:
            raise MissingExtraError(self.name, extra=EXTRA, packages=missing)
        instructions = (request.task.instructions or "").strip()
        path, earlier = request.folder / "instructions.md", request.folder / "earlier.json"
        key = self.key() if self.key else ""
        return Invocation(
            command=python_command(
                PROGRAM,
                *("--api", self.api, "--base-url", self.base_url, "--model", request.task.model or self.model),
                *("--max-tokens", str(self.max_tokens), "--idle-s", str(self.idle_s)),
                *(("--instructions", str(path)) if instructions else ()),
                *(("--earlier", str(earlier)) if request.earlier else ()),
            ),
            env={**self.env, **({KEY_VARIABLE: key} if key else {})},
            files={
                **({path: f"{instructions}\n"} if instructions else {}),
                **({earlier: json.dumps([asdict(each) for each in request.earlier])} if request.earlier else {}),
            },
            instructed=bool(instructions),
        )

    def read(self, stdout: str, stderr: str) -> Reply:  # noqa: ARG002 -- the port's signature
        """Returns the reply that its events report."""
        return self.read_stream([stdout.encode("utf-8", errors="surrogatepass")])

    def read_stream(self, pieces: Iterable[bytes]) -> Reply:
        """Returns the reply that its events report, from the pieces of its output."""
        return digest_of(self.dialect, pieces)
