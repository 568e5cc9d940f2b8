"""Keys: keyring, then .env, then environment; and their values in no message."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.errors import KeyringError

from aurora_core.errors import KeyStoreError, UnknownKeyError
from aurora_core.settings.keys import KeyPlace, KeyStore, check_key_name, variables_of

SECRET = "sk-very-secret-0123456789"


class Rings(dict[tuple[str, str], str]):
    """A keyring in memory."""

    def get_password(self, service_name: str, username: str) -> str | None:
        return self.get((service_name, username))

    def set_password(self, service_name: str, username: str, password: str) -> None:
        self[service_name, username] = password

    def delete_password(self, service_name: str, username: str) -> None:
        del self[service_name, username]


class Locked(Rings):
    """A keyring that cannot be opened."""

    def get_password(self, service_name: str, username: str) -> str | None:
        raise KeyringError("locked")


def store(tmp_path: Path, **more: object) -> KeyStore:
    given = {
        "ring": Rings(),
        "env_file": tmp_path / ".env",
        "environ": {},
        "names_file": tmp_path / "names.json",
        **more,
    }
    return KeyStore(**given)  # type: ignore[arg-type]


def test_the_keyring_comes_first_then_env_then_the_environment(tmp_path: Path) -> None:
    keys = store(tmp_path, environ={"OPENAI_API_KEY": "from-environment"})
    assert (keys.find("openai").value, keys.find("openai").source) == (
        "from-environment",
        "environment OPENAI_API_KEY",
    )
    (tmp_path / ".env").write_text("OPENAI_API_KEY=from-env\n")
    assert (keys.find("openai").value, keys.find("openai").source) == ("from-env", ".env OPENAI_API_KEY")
    keys.keep("openai", SECRET)
    assert (keys.find("openai").value, keys.find("openai").source) == (SECRET, "keyring")
    assert keys.forget("openai")
    assert not keys.forget("openai")
    assert keys.find("openai").source == ".env OPENAI_API_KEY"


def test_a_key_that_is_nowhere_is_named_with_every_place(tmp_path: Path) -> None:
    with pytest.raises(UnknownKeyError, match="GEMINI_API_KEY or GOOGLE_API_KEY") as raised:
        store(tmp_path).find("gemini")
    assert "aur keys set gemini" in str(raised.value)


def test_a_keyring_that_cannot_be_opened_is_passed_over_and_told(tmp_path: Path) -> None:
    keys = store(tmp_path, ring=Locked(), environ={"OPENAI_API_KEY": "x"})
    assert keys.find("openai").source == "environment OPENAI_API_KEY"
    with pytest.raises(UnknownKeyError, match="could not read the key"):
        keys.find("anthropic")


def test_no_message_and_no_representation_holds_a_value(tmp_path: Path) -> None:
    keys = store(tmp_path, ring=Locked(), environ={"OPENAI_API_KEY": SECRET})
    assert SECRET not in repr(keys) + repr(keys.find("openai")) + repr(keys.places())


@pytest.mark.parametrize("error", [KeyringError, ValueError, KeyError])
def test_no_error_of_a_keyring_passes_on_the_value_that_it_quotes(tmp_path: Path, error: type[Exception]) -> None:
    class Quoting(Rings):
        def set_password(self, service_name: str, username: str, password: str) -> None:
            raise error(f"cannot keep {password}")

    with pytest.raises(KeyStoreError, match=error.__name__) as raised:
        store(tmp_path, ring=Quoting()).keep("openai", SECRET)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_ring_of_ones_own_needs_no_keyring_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("keyring", "keyring.errors"):
        monkeypatch.setitem(sys.modules, module, None)
    keys = store(tmp_path)
    keys.keep("openai", SECRET)
    assert keys.find("openai").source == "keyring"


def test_a_system_without_a_keyring_says_where_else_a_key_can_be_put(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match=r"OPENAI_API_KEY=… into \.env"):
        store(tmp_path, ring=None).keep("openai", SECRET)


@pytest.mark.parametrize("value", ["", "two words", "two\nlines", "\x1b[0m"])
def test_what_cannot_be_a_key_is_not_kept(tmp_path: Path, value: str) -> None:
    keys = store(tmp_path)
    with pytest.raises(KeyStoreError, match="nothing was stored"):
        keys.keep("openai", value)
    assert keys.places()[1] == KeyPlace(name="openai", source=None)


@pytest.mark.parametrize("name", ["", "OpenAI", "a b", "../x", "-x", "x" * 65, "ä"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(KeyStoreError):
        check_key_name(name)


def test_names_that_were_set_are_listed_after_the_well_known(tmp_path: Path) -> None:
    keys = store(tmp_path)
    keys.keep("my-proxy", SECRET)
    places = keys.places()
    assert places[0] == KeyPlace(name="anthropic", source=None)
    assert places[-1] == KeyPlace(name="my-proxy", source="keyring")
    assert SECRET not in (tmp_path / "names.json").read_text()
    keys.forget("my-proxy")
    assert "my-proxy" not in {place.name for place in keys.places()}


def test_a_list_of_names_that_is_damaged_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text("[1, {")
    keys = store(tmp_path)
    keys.keep("mine", SECRET)
    assert keys.places()[-1].name == "mine"


def test_variables_are_called_as_providers_call_them() -> None:
    assert variables_of("openai") == ("OPENAI_API_KEY",)
    assert variables_of("my-proxy") == ("MY_PROXY_API_KEY",)


@pytest.mark.parametrize(
    "line",
    [
        "OPENAI_API_KEY=abc",
        "export OPENAI_API_KEY = abc",
        'OPENAI_API_KEY="abc"',
        "OPENAI_API_KEY=abc # mine",
        "# x\nOTHER=1\n\nOPENAI_API_KEY='abc'\r",
        "\ufeffOPENAI_API_KEY=abc",
    ],
)
def test_env_files_are_read_as_people_write_them(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(line, encoding="utf-8")
    assert store(tmp_path).find("openai").value == "abc"


@given(st.binary(max_size=300))
def test_no_env_file_raises(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("keys")
    (folder / ".env").write_bytes(content)
    assert {place.source for place in store(folder).places()} <= {None, ".env OPENAI_API_KEY"}
