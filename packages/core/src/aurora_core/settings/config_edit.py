"""Changes a setting in a configuration file: validated before it is written, and written as a whole or not at all."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_core.errors import ConfigError
from aurora_core.folder_lock import folder_locked
from aurora_core.plain_yaml import MAX_BYTES, PlainYamlError, parse_plain_yaml
from aurora_core.private_files import write_private
from aurora_core.settings.config_file import settings_in
from aurora_core.settings.yaml_edit import YamlEditError, set_in_yaml
from aurora_core.settings.yaml_source import YamlSource, read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["ChangedSetting", "change_setting"]

_NEW_FILE_MODE = 0o644
_OWNER_WRITES = 0o200
"""A file without it was protected by its user, also from a program that root runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSetting:
    """A setting that was changed.

    Attributes:
        value: what it is now, as the file has it.
        line: of the file, counted from 1.
    """

    key: str
    value: object
    path: Path
    line: int | None


def change_setting(
    path: Path, key: str, texts: Sequence[str], *, check: Callable[[bytes], None] = lambda _content: None
) -> ChangedSetting:
    """Sets a setting in a file, which is made if it does not exist; comments and other settings stay.

    Args:
        key: dotted, like `spawner.max_concurrent`.
        texts: the value as YAML, or as plain text where the setting is a text; several are a list.
        check: receives the new content and raises ConfigError if it is not valid for another reason.

    Raises:
        ConfigError: the file is not valid as it is, the key is no setting, or the value does not fit.
        OSError: the file cannot be written; it is as it was.
    """
    if not key.strip():
        raise ConfigError("the name of the setting", None, "", "is empty; `aur config list` shows all settings")
    path.parent.mkdir(parents=True, exist_ok=True)
    with folder_locked(path.parent):  # a change at the same moment would be lost
        source = read_yaml(path)  # refuses what is no file of settings, before anything of it is touched
        if source is not None:
            settings_in(source)
        text = path.read_bytes().decode("utf-8") if source is not None else ""
        value, changed = _changed(path, text, key, texts)
        content = changed.encode("utf-8")
        if len(content) > MAX_BYTES:
            raise ConfigError(path, None, key, f"would make the file larger than {MAX_BYTES // 1000} kB")
        check(content)
        _replace(path, content)
    return ChangedSetting(key=key, value=value, path=path, line=_source(path, changed).line_of(key.split(".")))


def _changed(path: Path, text: str, key: str, texts: Sequence[str]) -> tuple[object, str]:
    """Returns the first reading of the value that is valid, and the text with it."""
    problem: ConfigError | None = None
    for value in _readings(texts):
        try:
            changed = set_in_yaml(text, key.split("."), value)
            settings_in(_source(path, changed))
        except YamlEditError as error:
            raise ConfigError(path, None, key, str(error)) from error
        except (ConfigError, PlainYamlError) as error:
            field = error.field if isinstance(error, ConfigError) and error.field else key
            problem = problem or ConfigError(field, None, "", error.reason)
        else:
            return value, changed
    assert problem is not None
    raise _broken_yaml(key, texts) or problem


def _broken_yaml(key: str, texts: Sequence[str]) -> ConfigError | None:
    """Returns the error of a value that begins like a mapping or a list, and is none; else None."""
    if len(texts) != 1 or not texts[0].lstrip().startswith(("{", "[")):
        return None
    try:
        parse_plain_yaml(texts[0])
    except PlainYamlError as error:
        return ConfigError(key, None, "", error.reason)
    return None


def _readings(texts: Sequence[str]) -> Iterator[object]:
    """Yields what a value can mean: what YAML reads in it, the text itself, a list of it alone."""
    if len(texts) != 1:
        yield list(texts)
        return
    with suppress(PlainYamlError):
        yield parse_plain_yaml(texts[0]).value
    yield texts[0]
    yield [texts[0]]


def _source(path: Path, text: str) -> YamlSource:
    document = parse_plain_yaml(text)
    assert isinstance(document.value, dict)
    return YamlSource(path=path, value=document.value, lines=document.lines)


def _replace(path: Path, content: bytes) -> None:
    """Replaces a file at once; a link stays, and the file that it names is replaced."""
    path = path.resolve()
    if path.exists() and not (os.access(path, os.W_OK) and path.stat().st_mode & _OWNER_WRITES):
        raise OSError(errno.EACCES, "is read-only; make it writable first", str(path))
    mode = path.stat().st_mode & 0o777 if path.exists() else _NEW_FILE_MODE
    write_private(path, content, mode=mode)
