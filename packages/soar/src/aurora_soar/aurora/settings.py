"""Changes of a project's or the user's configuration that the user makes by a command."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from aurora_core import ConfigError, Project, load_config
from aurora_core.settings.config import project_claims, user_config_file
from aurora_core.settings.config_edit import ChangedSetting, change_setting
from aurora_core.trust import VARIABLE, Part
from aurora_soar.aurora.trust import trust_store
from aurora_soar.taskruns.backends import check_kinds, check_routing, check_tool
from aurora_soar.user_only import check_user
from aurora_spawner import RecoveryPolicy
from aurora_spawner.errors import RecoveryPolicyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_core.settings.config import Config

__all__ = ["ProjectChange", "change_project_setting", "change_user_setting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectChange:
    """A changed setting of a project.

    Attributes:
        trusted: the settings of the project take effect; else the user has yet to trust them.
        newly_trusted: the settings that take effect only with trust, and have it because the user has set them.
    """

    changed: ChangedSetting
    trusted: bool
    newly_trusted: tuple[str, ...]


def change_project_setting(project: Project, key: str, texts: Sequence[str]) -> ProjectChange:
    """Changes a setting in a project's configuration; see `change_setting`.

    A project whose settings the user trusts stays trusted, because it is the user who changes them.

    Raises:
        UserOnlyError: an agent wants to change it.
        ConfigError: the file, the key or the value is not valid.
        TrustStoreError: the record of trust cannot be read or written.
    """
    _check_user()
    store = trust_store()
    before = project_claims(project)
    trusted = store.trusts(project, Part.CONFIG, before)
    changed = change_setting(project.config_file, key, texts, check=partial(_check, key))
    claims = project_claims(project)
    new: tuple[str, ...] = ()
    if trusted and store.folder is not None and not store.trusts(project, Part.CONFIG, claims):
        store.remember(project.root, claims, parts=(Part.CONFIG,))
        new = tuple(each.name for each in claims if each not in before)
    return ProjectChange(changed=changed, trusted=store.trusts(project, Part.CONFIG, claims), newly_trusted=new)


def change_user_setting(path: Path, key: str, texts: Sequence[str]) -> ChangedSetting:
    """Changes a setting in the user's own configuration; errors as `change_project_setting`."""
    _check_user()
    return change_setting(path, key, texts, check=partial(_check_own, key))


def _check_user() -> None:
    """Refuses agents: a setting can start programs and loosen rules.

    Raises:
        UserOnlyError: this process belongs to one.
    """
    check_user("changes of settings are", "ask the user for it")


def _with_user_file() -> dict[str, str]:
    """Returns an environment in which the user's own configuration is read, and no variable is a setting."""
    return {VARIABLE: "1"} | {name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME") if name in os.environ}


def _check(key: str, content: bytes) -> None:
    """Checks what only those know who use the settings: agents and their kinds, and fields of the recovery.

    Args:
        key: the setting that is changed.

    Raises:
        ConfigError: one is not valid, or none for a project to have.
    """
    with TemporaryDirectory(prefix="aurora-") as folder, _told_by_field():
        project = Project(root=Path(folder))
        project.aurora_dir.mkdir()
        project.config_file.write_bytes(content)
        _check_fields(load_config(project, environ={VARIABLE: "1"}))
        if key == "tool":
            check_tool(load_config(project, environ=_with_user_file()))
        if key.partition(".")[0] == "routing":
            check_routing(load_config(project, environ=_with_user_file()))


def _check_own(key: str, content: bytes) -> None:
    """Checks the same of the user's own file, which may have settings that no project may."""
    with TemporaryDirectory(prefix="aurora-") as folder, _told_by_field():
        environ = {VARIABLE: "1", "XDG_CONFIG_HOME": folder}
        file = user_config_file(environ)
        assert file is not None
        file.parent.mkdir()
        file.write_bytes(content)
        config = load_config(None, environ=environ)
        _check_fields(config)
        if key == "tool":
            check_tool(config)
        if key.partition(".")[0] == "routing":
            check_routing(config)


def _check_fields(config: Config) -> None:
    check_kinds(config)
    RecoveryPolicy.from_config({"spawner": {"recovery": config.recovery}})


@contextmanager
def _told_by_field() -> Iterator[None]:
    """Names the field alone: the file that was read is not the user's."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(error.field, None, "", error.reason) from error
    except RecoveryPolicyError as error:
        raise ConfigError(error.field, None, "", error.problem) from error
