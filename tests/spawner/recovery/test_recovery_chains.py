"""Fallback chains, and the providers whose limits agents share."""

import pytest

from aurora_spawner import CommandBackend, RecoveryPolicy
from aurora_spawner.backends.base import Backend
from aurora_spawner.errors import BackendError
from aurora_spawner.recovery.fallbacks import check_fallbacks, fallback_chain, provider_of

SAME = ("sh", "-c", "echo same")
BACKENDS: dict[str, Backend] = {
    "a": CommandBackend("a", SAME),
    "alias": CommandBackend("alias", SAME),
    "other_key": CommandBackend("other_key", SAME, env={"ACCOUNT": "two"}),
    "b": CommandBackend("b", ("sh", "-c", "echo b")),
    "missing": CommandBackend("missing", ("no-such-program-anywhere",)),
    "model": CommandBackend("model", ("sh", "-c", "echo model")),
    "local": CommandBackend("local", ("sh", "-c", "echo local")),
}


def chain(*configured: str, **policy: bool | str) -> tuple[str, ...]:
    return fallback_chain("a", RecoveryPolicy.from_dict(policy), backends=BACKENDS, configured=configured)


def test_the_order_is_configured_then_model_then_local() -> None:
    assert chain("b") == ("b", "model")
    assert chain("b", fallback_to_local=True) == ("b", "model", "local")
    assert chain("model", "b") == ("model", "b")
    assert chain("b", fallback_to_llm=False) == ("b",)
    assert chain("model", "b", fallback_to_llm=False) == ("b",)
    assert chain("b", strategy="retry_same") == ()


def test_the_same_command_under_another_name_is_no_fallback() -> None:
    assert chain("alias", "b", "b", "a") == ("b", "model")
    assert chain("other_key") == ("other_key", "model"), "another account is something else"


def test_what_is_not_installed_is_left_out() -> None:
    assert chain("missing", "b") == ("b", "model")
    without = {name: backend for name, backend in BACKENDS.items() if name != "model"}
    assert fallback_chain("a", RecoveryPolicy(), backends=without, configured=("b",)) == ("b",)
    assert fallback_chain("missing", RecoveryPolicy(), backends=BACKENDS, configured=("b",)) == ("b", "model")


def test_a_fallback_without_a_backend_is_refused() -> None:
    check_fallbacks({"a": ("b", "model", "local")}, {"a": BACKENDS["a"], "b": BACKENDS["b"]})
    with pytest.raises(BackendError, match="nobody: is a fallback of a") as caught:
        check_fallbacks({"a": ("nobody",)}, BACKENDS)
    assert caught.value.agent == "nobody"


def test_a_provider_is_named_or_goes_by_the_command() -> None:
    assert provider_of(CommandBackend("x", SAME, provider="anthropic")) == "anthropic"
    one, two = provider_of(CommandBackend("x", SAME)), provider_of(CommandBackend("x", ("sh", "-c", "other")))
    assert one != two
    assert one == provider_of(CommandBackend("x", SAME))
    assert provider_of(BACKENDS["missing"]) == "missing"
