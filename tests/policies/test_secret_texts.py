"""Keys and passwords in lines: each kind is found, what only looks like one is not. All values are made up here."""

from __future__ import annotations

import base64
import json
import random
import string
import zlib

import pytest
from benchmarks.policies.secret_lines.run import cases
from hypothesis import given
from hypothesis import strategies as st
from tests.exhaustive import few
from tests.fuzz.bounded import bounded
from tests.policies.commands import SETS

from aurora_policies.secret_forms import FORMS
from aurora_policies.secret_texts import OVERLAP, WINDOW, secret_in

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


HEX = "0123456789abcdef"
UUID = f"{made(8, HEX)}-{made(4, HEX)}-{made(4, HEX)}-{made(4, HEX)}-{made(12, HEX)}"
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
    "GitLab runner": f"GR1348941{made(20)}",
    "Google access": f"ya29.{made(100)}",
    "Google service account": f"ya29.c.{made(180)}",
    "Slack app": f"xapp-1-A{made(10, string.ascii_uppercase)}-{made(13, string.digits)}-{made(64, HEX)}",
    "Teams webhook": f"https://a.webhook.office.com/webhookb2/{UUID}@{UUID}/IncomingWebhook/{made(32, HEX)}/{UUID}",
    "Discord webhook": f"https://discord.com/api/webhooks/{made(18, string.digits)}/{made(68)}",
    "Discord bot": f"M{made(23)}.{made(6)}.{made(38)}",
    "Razorpay": f"rzp_live_{made(14)}",
    "Braintree": f"access_token$production${made(16, string.ascii_lowercase)}${made(32, HEX)}",
    "Flutterwave": f"FLWSECK-{made(32)}-X",
    "Plaid": f"access-production-{UUID}",
    "Twilio key": f"SK{made(32, HEX)}",
    "Twilio": f"AC{made(32, HEX)}', '{made(32, HEX)}",
    "Mailgun": f"key-{made(32, HEX)}",
    "LangSmith": f"lsv2_pt_{made(32, HEX)}_{made(10, HEX)}",
    "Pinecone": f"pcsk_{made(6)}_{made(63)}",
    "NVIDIA": f"nvapi-{made(64)}",
    "Figma": f"figd_{made(40)}",
    "Grafana": f"glsa_{made(32)}_{made(8, HEX)}",
    "Docker Hub": f"dckr_pat_{made(27)}",
    "Buildkite": f"bkua_{made(40, HEX)}",
    "Fly.io": f"fm2_{made(100)}",
    "Twitter": f"{'A' * 20}{made(80)}",
    "Azure signature": f"?sig={made(43)}%3D",
    "Databricks": f"dapi{made(32, HEX)}",
    "Atlassian": f"ATATT3{made(170)}={made(8, HEX).upper()}",
    "New Relic licence": f"{made(36)}NRAL",
    "New Relic": f"NRAK-{made(27).upper()}",
    "Sentry": f"sntrys_eyJ{made(120)}_{made(43)}",
    "Vault": f"hvs.{made(90)}",
    "Doppler": f"dp.pt.{made(43)}",
    "Doppler service": f"dp.st.prd_a.{made(43)}",
    "Supabase": f"sbp_{made(40, HEX)}",
    "PlanetScale": f"pscale_tkn_{made(43)}",
    "Postman": f"PMAK-{made(24, HEX)}-{made(34, HEX)}",
    "Airtable": f"pat{made(14)}.{made(64, HEX)}",
    "Mapbox": f"sk.eyJ{made(60)}.{made(22)}",
    "SonarQube": f"squ_{made(40, HEX)}",
    "Tailscale": f"tskey-auth-{made(17)}-{made(32)}",
    "in base64": f"LS0tLS1CRUdJTiBQUklWQVRFIEtF{made(40)}",
    "ElevenLabs": f"sk_{made(48, HEX)}",
    "command line": f"curl -u me:{made(18)} https://host",
    "option": f"run --client-secret {made(24)}",
    "property": f"api.key={made(24)}",
    "hash": f"me:$apr1${made(8)}${made(22)}",
    "unknown issuer": f"anew_{made(44)}1aA",
    "assigned": f'db_password = "{made(20)}"',
    "in JSON": f'"client_secret": "{made(32)}",',
    "in YAML": f"api-key: '{made(24)}'",
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("around", ["{}", "export TOKEN={}", '  x = "{}"  # {}'])
def test_a_secret_is_found(name: str, around: str) -> None:
    secret = SECRETS[name]
    assert secret_in(around.replace("{}", secret)) is not None or (
        around != "{}" and name in ("assigned", "in JSON", "in YAML", "unknown issuer", "command line")
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
    "private_key: ed25519.Ed25519PrivateKey, other: int",
    'password_hint = "At-least-12-characters-and-1-digit"',
    'TOKEN_KIND = "refresh_token_v1"',
    "token = request.headers2.get",
    "api_key_id = '" + made(24) + "'",
    "password: AgB" + made(210),
    "TOKEN = 0x" + made(40, "0123456789abcdef"),
]


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_no_secret_is_left_alone(line: str) -> None:
    assert secret_in(line) is None


def test_there_is_a_secret_of_each_kind() -> None:
    found = {secret_in(each) for each in SECRETS.values()}
    assert found == {*(name for name, *_ in FORMS), "a key or password", "a key"}


def test_of_the_published_lines_no_other_ones_are_taken_wrongly_than_the_report_says() -> None:
    reasons = json.loads((SETS / "secret_lines" / "disagreements.json").read_text(encoding="utf-8"))["cases"]
    wrong = [case for case in cases() if (secret_in(case.text) is not None) is not case.secret]
    assert {reasons.get(case.digest) for case in wrong} == {"argument", "letters"}
    assert len(wrong) == 7
    assert all(case.secret for case in wrong)


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


LONG = (
    "curl -u ",
    "password=",
    "mysql a -",
    "machine a login b ",
    "ab_cd_",
    "token: a = ",
    "a.b-c:1:",
    "pwd>",
    "_PLAIN",
)


@pytest.mark.parametrize("piece", few(["a:", "sk-", "eyJ-", "secret-", "://", "-----BEGIN A ", *LONG], 2))
def test_a_line_of_megabytes_is_read_within_bounds(piece: str) -> None:
    assert bounded(secret_in, piece * (500_000 // len(piece))) is None


@given(st.text(max_size=300))
def test_any_text_has_an_answer(line: str) -> None:
    secret_in(line)
    secret_in(f"password='{line}'")
