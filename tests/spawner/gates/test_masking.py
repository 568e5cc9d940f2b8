"""Keys and passwords in commands, and words that only look like them."""

import pytest

from aurora_spawner.gates.masking import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("curl -H 'Authorization: Bearer abcdef123456' x", "curl -H 'Authorization: Bearer ***' x"),
        ("OPENAI_API_KEY=abcd1234 run", "OPENAI_API_KEY=*** run"),
        ("export GITHUB_TOKEN='abcd1234'", "export GITHUB_TOKEN='***'"),
        ("git clone https://me:hunter22@host/x", "git clone https://me:***@host/x"),
        ("mysql --password hunter22 db", "mysql --password *** db"),
        ("mysql --password=hunter22 db", "mysql --password=*** db"),
        ('{"client_secret": "abcd1234"}', '{"client_secret": "***"}'),
        ("echo sk-ant-abc123def456", "echo sk-***"),
        ("echo ghp_0123456789abcdef", "echo ghp_***"),
        ("TOKEN=$TOKEN run", "TOKEN=$TOKEN run"),
        ("grep -rn token src", "grep -rn token src"),
        ("pytest tests/test_password.py -k secret", "pytest tests/test_password.py -k secret"),
        ("git push origin task-branch", "git push origin task-branch"),
        ("curl http://localhost:8080/x", "curl http://localhost:8080/x"),
    ],
)
def test_what_looks_like_a_key_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
