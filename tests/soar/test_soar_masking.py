"""The journal's mask knows each kind of secret that the after-gate knows."""

import pytest
from tests.policies.test_secret_texts import SECRETS

from aurora_policies.secret_texts import secret_in
from aurora_spawner.gates.masking import MASK, masked

_AROUND = ("{}", "run --key {} x", "export X={}", "It is {}.", "printf %s '{}' > x", "curl -H 'X-Auth: {}'")
_ASSIGNMENTS = ("assigned", "in JSON", "in YAML")
"""These are no value of another assignment."""


@pytest.mark.parametrize("name", SECRETS)
def test_each_kind_of_secret_is_masked(name: str) -> None:
    for around in _AROUND:
        if name in _ASSIGNMENTS and "X=" in around:
            continue
        shown = masked(around.replace("{}", SECRETS[name]))
        assert MASK in shown
        if name != "private key":  # its first line stays, and its body is masked
            assert _secret_part(SECRETS[name]) not in shown
            assert secret_in(shown) is None


def _secret_part(text: str) -> str:
    """Returns the end of the key or password in a text."""
    words = text.partition("@")[0].replace('"', " ").replace("'", " ").split()
    return max(words, key=len)[-12:]
