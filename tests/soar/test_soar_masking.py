"""The journal's mask knows each kind of secret that the after-gate knows."""

import pytest
from tests.exhaustive import few
from tests.policies.test_secret_texts import SECRETS

from aurora_policies.secret_texts import secret_in
from aurora_spawner.gates.masking import MASK, masked

_AROUND = ("{}", "run --key {} x", "export TOKEN={}", "printf %s '{}' > x", "curl -H 'X-Auth: {}'")
_ASSIGNMENTS = ("assigned", "in JSON", "in YAML")
"""These are no value of another assignment."""


def _cases(name: str) -> list[object]:
    """Return a kind of secret in what may stand around it; the ordinary run takes one of these, others for others."""
    first = list(SECRETS).index(name) % len(_AROUND)
    turned = _AROUND[first:] + _AROUND[:first]
    fitting = [each for each in turned if name not in _ASSIGNMENTS or "TOKEN=" not in each]
    return few([(name, each) for each in fitting], 1)


@pytest.mark.parametrize(("name", "around"), [case for name in SECRETS for case in _cases(name)])
def test_each_kind_of_secret_is_masked(name: str, around: str) -> None:
    shown = masked(around.replace("{}", SECRETS[name]))
    assert MASK in shown
    if name != "private key":  # its first line stays, and its body is masked
        assert _secret_part(SECRETS[name]) not in shown
        assert secret_in(shown) is None


def _secret_part(text: str) -> str:
    """Returns the end of the key or password in a text."""
    words = text.partition("@")[0].replace('"', " ").replace("'", " ").split()
    return max(words, key=len)[-12:]
