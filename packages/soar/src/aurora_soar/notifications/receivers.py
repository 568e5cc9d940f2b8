"""Receivers of notifications: a command, an address, the terminal's bell, the desktop."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from string import Template
from typing import TYPE_CHECKING, Final, Protocol

from aurora_core.errors import KeyStoreError, UnknownKeyError
from aurora_soar.errors import NotificationError
from aurora_spawner.storage.system_words import system_words
from aurora_spawner.supervision.environment import agent_environment
from aurora_spawner.workspaces.children import Child
from aurora_spawner.workspaces.errors import LostStatusError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_core.settings.config import NotifyConfig
    from aurora_soar.notifications.messages import Notification

__all__ = ["Receiver", "receiver_of"]

LIMIT_S: Final = 10.0
"""Time for one delivery."""
_DESKTOP: Final = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
_KEY: Final = re.compile(r"keys:([a-z][a-z0-9_-]{0,63})$")


class Receiver(Protocol):
    """Somebody who is told of events."""

    @property
    def name(self) -> str:
        """Its name in messages; holds no secret."""
        ...

    def send(self, notification: Notification, *, limit_s: float = LIMIT_S) -> None:
        """Delivers one notification, within `limit_s`.

        Raises:
            NotificationError: it could not be delivered.
        """
        ...


def receiver_of(config: NotifyConfig, *, project: str, key: Callable[[str], str]) -> Receiver:
    """Returns the receiver that a setting describes.

    Args:
        project: the project's folder, which notifications name.
        key: returns the value of a key by its name; raises KeyStoreError.
    """
    if config.command:
        return CommandReceiver(command=config.command, project=project)
    if config.url:
        return HttpReceiver(url=config.url, body=config.body, headers=config.headers, project=project, key=key)
    return BellReceiver() if config.bell else DesktopReceiver()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReceiver:
    """A program that gets the notification as a JSON document on stdin."""

    command: tuple[str, ...]
    project: str

    @property
    def name(self) -> str:
        """The program."""
        return self.command[0]

    def send(self, notification: Notification, *, limit_s: float = LIMIT_S) -> None:
        """Runs the command in the project's folder and waits for its end."""
        _run(self.command, notification.document(self.project), cwd=self.project, limit_s=limit_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopReceiver:
    """A notification of the desktop, by the program that the system has for it."""

    name: str = "the desktop"

    def send(self, notification: Notification, *, limit_s: float = LIMIT_S) -> None:
        """Shows it."""
        title = f"Aurora: {notification.event.replace('_', ' ')}"
        if sys.platform == "darwin":
            words = f"display notification {json.dumps(notification.message)} with title {json.dumps(title)}"
            _run(("osascript", "-e", words), "", limit_s=limit_s)
        else:
            _run(("notify-send", "--app-name=Aurora", "--", title, notification.message), "", limit_s=limit_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class BellReceiver:
    """The bell of the terminal; nothing where stderr is none."""

    name: str = "the bell"

    def send(self, notification: Notification, *, limit_s: float = LIMIT_S) -> None:  # noqa: ARG002 -- it only rings
        """Rings it."""
        try:
            if sys.stderr.isatty():
                sys.stderr.write("\a")
                sys.stderr.flush()
        except (OSError, ValueError) as error:
            raise NotificationError(self.name, system_words(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReceiver:
    """An address that gets a POST."""

    url: str
    project: str
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    key: Callable[[str], str] = field(repr=False)

    @property
    def name(self) -> str:
        """The address without its path, which may be a secret; or the name of its key."""
        return self.url if _KEY.match(self.url) else "/".join(self.url.split("/")[:3])

    def send(self, notification: Notification, *, limit_s: float = LIMIT_S) -> None:
        """Posts it; any status from 300 on is a failure."""
        import asyncio

        import httpx

        try:
            url = self._with_key(self.url)
            headers = {"Content-Type": "application/json"} | {k: self._with_key(v) for k, v in self.headers.items()}
            content = self._content(notification).encode("utf-8", "replace")
            status = asyncio.run(_posted(url, content=content, headers=headers, limit_s=limit_s))
        except (KeyStoreError, UnknownKeyError) as error:
            raise NotificationError(self.name, str(error)) from error
        except TimeoutError:
            raise NotificationError(self.name, f"it took longer than {limit_s:.3g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            # The words of an error may name the address, and with it a secret.
            raise NotificationError(self.name, type(error).__name__) from None
        if status >= httpx.codes.MULTIPLE_CHOICES:
            raise NotificationError(self.name, f"it answered with status {status}")

    def _content(self, notification: Notification) -> str:
        if self.body is None:
            return notification.document(self.project)
        fields = notification.fields(self.project)
        # Bodies are mostly JSON: within its quotes a text needs escapes.
        return Template(self.body).substitute({name: json.dumps(str(value))[1:-1] for name, value in fields.items()})

    def _with_key(self, text: str) -> str:
        found = _KEY.search(text)
        return text if found is None else text[: found.start()] + self.key(found[1])


async def _posted(url: str, *, content: bytes, headers: Mapping[str, str], limit_s: float) -> int:
    """Returns the status of the answer to a POST; what else is answered is not read.

    Raises:
        TimeoutError: there is none within `limit_s`, however slowly it comes.
    """
    import asyncio

    import httpx

    verify = not url.startswith("http:")  # reading all certificates holds the others up
    async with (
        asyncio.timeout(limit_s),
        httpx.AsyncClient(timeout=httpx.Timeout(None), verify=verify) as client,
        client.stream("POST", url, content=content, headers=headers) as answer,
    ):
        return answer.status_code


def _run(command: tuple[str, ...], text: str, *, limit_s: float, cwd: str | None = None) -> None:
    """Runs a program to its end; ends it, with all that it started, after `limit_s`."""
    try:
        process = Child(
            command,
            cwd=cwd,
            env=agent_environment(os.environ, keep=_DESKTOP),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise NotificationError(command[0], system_words(error)) from error
    with process:
        try:
            process.communicate(text.encode("utf-8", "replace"), timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise NotificationError(command[0], f"it took longer than {limit_s:.3g} s") from None
        except LostStatusError as error:
            raise NotificationError(command[0], error.problem) from None
        except OSError as error:
            os.killpg(process.pid, signal.SIGKILL)
            raise NotificationError(command[0], system_words(error)) from error
    if process.returncode:
        raise NotificationError(command[0], f"it ended with exit status {process.returncode}")
