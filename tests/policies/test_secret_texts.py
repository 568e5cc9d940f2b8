"""Keys and passwords in lines: each kind is found, what only looks like one is not. All values are made up here."""

from __future__ import annotations

import base64
import random
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.exhaustive import few
from tests.fuzz.bounded import bounded

from aurora_policies.secret_texts import _KINDS, OVERLAP, WINDOW, secret_in

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = random.Random(7)


def made(count: int, letters: str = _BASE62) -> str:
    return "".join(_RANDOM.choice(letters) for _ in range(count))


def with_crc(prefix: str) -> str:
    """Return a token as its issuer makes it: its last six characters are the checksum of the others."""
    body, value, digits = made(30), 0, ""
    value = zlib.crc32(body.encode())
    while value:
        value, digit = divmod(value, 62)
        digits = _BASE62[digit] + digits
    return prefix + body + digits.rjust(6, "0")


def signed_token() -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(b'{"sub":"somebody"}').decode().rstrip("=")
    return f"{head}.{body}.{made(43)}"


SECRETS = {
    "private key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "AWS": "AKIA" + made(16, string.ascii_uppercase + "234567"),
    "GitHub": with_crc("ghp_"),
    "GitHub fine": f"github_pat_{made(22)}_{made(59)}",
    "GitLab": f"glpat-{made(20)}",
    "registry": with_crc("npm_"),
    "index": f"pypi-AgE{made(60)}",
    "Anthropic": f"sk-ant-api03-{made(90)}",
    "OpenAI": f"sk-proj-{made(30)}T3BlbkFJ{made(30)}",
    "Google": f"AIza{made(35)}",
    "Google client": f"GOCSPX-{made(28)}",
    "Slack webhook": f"https://hooks.slack.com/services/T{made(9, '012345')}/B{made(9, '012345')}/{made(24)}",
    "Slack": f"xoxb-{made(11, string.digits)}-{made(24)}",
    "Stripe": f"sk_live_{made(24)}",
    "SendGrid": f"SG.{made(22)}.{made(43)}",
    "Hugging Face": f"hf_{made(34, string.ascii_letters)}",
    "DigitalOcean": f"dop_v1_{made(64, '0123456789abcdef')}",
    "Shopify": f"shpat_{made(32, '0123456789abcdef')}",
    "Telegram": f"{made(9, '123456789')}:AA{made(33)}",
    "Azure": f"AccountKey={made(86)}==",
    "age": f"AGE-SECRET-KEY-1{made(58, string.ascii_uppercase + string.digits)}",
    "signed": signed_token(),
    "address": "postgres://app:" + made(12) + "@db.internal/app",
    "assigned": f'db_password = "{made(20)}"',
    "in JSON": f'"client_secret": "{made(32)}",',
    "in YAML": f"api-key: '{made(24)}'",
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("around", ["{}", "export TOKEN={}", '  x = "{}"  # {}'])
def test_a_secret_is_found(name: str, around: str) -> None:
    secret = SECRETS[name]
    assert secret_in(around.replace("{}", secret)) is not None or (
        around != "{}" and name in ("assigned", "in JSON", "in YAML")
    )


HARMLESS = [
    "",
    "password = os.environ['PASSWORD']",
    'password = "${DB_PASSWORD}"',
    'password = "correct horse battery"',
    'api_key = "your-api-key-goes-here-1"',
    'token = "xxxxxxxxxxxxxxxxxxxx1"',
    'secret = "<the secret of the app 1>"',
    'token_type = "authorization_code"',
    "AKIAIOSFODNN7EXAMPLE",
    "AKIA" + "A" * 16,
    "ghp_" + "a" * 36,
    "ghp_" + made(36),  # the checksum does not fit
    "npm_" + made(36),
    "https://user:password@localhost/",
    "https://user:$PASSWORD@localhost/",
    "https://example.com:8080/path@2x.png",
    "integrity sha512-" + made(86) + "==",
    "commit " + made(40, "0123456789abcdef"),
    "-----BEGIN CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----",
    "eyJ" + made(20) + ".eyJ" + made(20) + "." + made(30),  # no header of a token
    "def check_password(password: str) -> bool:",
    'SECRET_NAME = "aurora/production/db"',
]


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_no_secret_is_left_alone(line: str) -> None:
    assert secret_in(line) is None


def test_there_is_a_secret_of_each_kind() -> None:
    assert {secret_in(each) for each in SECRETS.values()} == {*(name for name, *_ in _KINDS), "a key or password"}


def test_the_kind_is_told_and_not_the_secret() -> None:
    for secret in SECRETS.values():
        told = secret_in(secret)
        assert told is not None
        assert told[:40] not in secret


@pytest.mark.parametrize("name", few(SECRETS, 6))
def test_a_secret_is_found_anywhere_in_a_long_line(name: str) -> None:
    for at in (WINDOW - OVERLAP, WINDOW, 2 * WINDOW - OVERLAP, 100_000):
        for shift in (1, 5, 20, 100):
            assert secret_in(f"{' ' * (at - shift)}{SECRETS[name]}") == secret_in(SECRETS[name])


@pytest.mark.parametrize("piece", few(["a:", "sk-", "eyJ-", "secret-", "://", "-----BEGIN A "], 2))
def test_a_line_of_megabytes_is_read_within_bounds(piece: str) -> None:
    assert bounded(secret_in, piece * (500_000 // len(piece))) is None


@given(st.text(max_size=300))
def test_any_text_has_an_answer(line: str) -> None:
    secret_in(line)
    secret_in(f"password='{line}'")
