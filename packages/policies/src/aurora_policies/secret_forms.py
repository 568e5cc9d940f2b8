"""The forms of keys by which their issuers can be told: prefixes, lengths, and checksums where there are some."""

from __future__ import annotations

import base64
import json
import re
import string
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FORMS", "Form"]

_BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_HEX: Final = "[0-9a-f]"
_ANY: Final = r"[0-9A-Za-z_\-]"


def _any(_found: re.Match[str]) -> bool:
    return True


def _with_crc(found: re.Match[str]) -> bool:
    """Returns True if the last six characters are the CRC-32 of those before, in base 62."""
    body, check = found[1][:-6], found[1][-6:]
    value, digits = zlib.crc32(body.encode()), ""
    while value:
        value, digit = divmod(value, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(6, "0") == check


def _is_signed_token(found: re.Match[str]) -> bool:
    """Returns True if the first part is the header of a JSON Web Token (RFC 7519)."""
    part = found[0].split(".", 1)[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return False
    return isinstance(header, dict) and "alg" in header


def _is_password(found: re.Match[str]) -> bool:
    """Returns True for a password in an address that is not its own user's name, and no variable."""
    user, password = found[1], found[2]
    return password not in (user, "password", "pass", "secret", "guest") and password[0] not in "$<{%["


Form = tuple[str, tuple[str, ...], re.Pattern[str], "Callable[[re.Match[str]], bool]"]


def _form(name: str, marks: str, form: str, holds: Callable[[re.Match[str]], bool] = _any) -> Form:
    return name, tuple(marks.split()), re.compile(form), holds


FORMS: Final[tuple[Form, ...]] = (
    (
        "a private key",
        ("PRIVATE KEY", "PuTTY-User-Key-File-", "OpenVPN Static key"),
        re.compile(
            r"-----BEGIN (?:(?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?|OpenVPN Static key V1)-----"
            r"|^PuTTY-User-Key-File-\d: "
        ),
        _any,
    ),
    _form(
        "a private key in base64",
        "LS0tLS1CRUdJTi",
        r"LS0tLS1CRUdJTi(?:BSU0EgUFJJVkFURSBL|BQUklWQVRFIEtF|BFQyBQUklWQVRFIEtF|BPUEVOU1NIIFBSSVZBVEUg|BFTkNSWVBURUQg)",
    ),
    _form("an AWS access key", "AKIA ASIA", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    _form("a GitHub token", "gh", r"\bgh[pousr]_([0-9A-Za-z]{36})\b", _with_crc),
    _form("a GitHub token", "github_pat_", r"\bgithub_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59}\b"),
    _form("a GitLab token", "gl", rf"\bgl(?:pat|ptt|dt|rt|cbt|soat|ft)-{_ANY}{{20,}}"),
    _form("a GitLab token", "GR1348941", rf"\bGR1348941{_ANY}{{20}}(?![\w-])"),
    _form("a package registry token", "npm_", r"\bnpm_([0-9A-Za-z]{36})\b", _with_crc),
    _form("a package index token", "-AgE", rf"\bpypi-AgE{_ANY}{{50,}}"),
    _form("an Anthropic key", "sk-ant-", rf"\bsk-ant-[a-z]+[0-9]{{2}}-{_ANY}{{80,}}"),
    _form("an OpenAI key", "T3BlbkFJ", rf"\bsk-(?:proj-|svcacct-|admin-)?{_ANY}{{20,200}}T3BlbkFJ{_ANY}{{20,}}"),
    _form("a Google API key", "AIza", rf"\bAIza{_ANY}{{35}}\b"),
    _form("a Google client secret", "GOCSPX-", rf"\bGOCSPX-{_ANY}{{28}}\b"),
    _form("a Google access token", "ya29.", rf"\bya29\.(?:[a-z]\.)?{_ANY}{{60,400}}"),
    _form(
        "a Slack token",
        "xox xapp-",
        r"\b(?:xox[abeoprs]-(?:[0-9]+-){1,4}|xapp-[0-9]-[0-9A-Z]{8,14}-[0-9]{8,16}-)[0-9A-Za-z]{10,}",
    ),
    _form(
        "a Slack webhook",
        "hooks.slack.com",
        r"https://hooks\.slack\.com/services/T[0-9A-Z]{8,}/B[0-9A-Z]{8,}/[0-9A-Za-z]{20,}",
    ),
    _form(
        "a Teams webhook",
        "/webhookb2/",
        rf"\.webhook\.office\.com/webhookb2/[0-9a-f@-]{{73}}/IncomingWebhook/{_HEX}{{32}}/",
    ),
    _form(
        "a Discord webhook", "/webhooks/", rf"https://discord(?:app)?\.com/api/webhooks/[0-9]{{17,20}}/{_ANY}{{60,}}"
    ),
    _form("a Discord bot token", "M N O", rf"\b[MNO][0-9A-Za-z]{{23,27}}\.{_ANY}{{6}}\.{_ANY}{{27,40}}(?![\w-])"),
    _form("a Stripe key", "_live_", r"\b[sr]k_live_[0-9A-Za-z]{24,}\b"),
    _form("a Razorpay key", "rzp_live_", r"\brzp_live_[0-9A-Za-z]{14}\b"),
    _form(
        "a Braintree token",
        "access_token$",
        rf"\baccess_token\$(?:production|sandbox)\$[0-9a-z]{{16}}\${_HEX}{{32}}\b",
    ),
    _form("a Flutterwave secret", "FLWSECK", r"\bFLWSECK(?:_TEST)?-[0-9a-zA-Z]{32}-X\b"),
    _form(
        "a Plaid token",
        "access-",
        rf"\baccess-(?:production|development)-{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}\b",
    ),
    _form("a Twilio key", "SK", rf"\bSK{_HEX}{{32}}\b"),
    _form("a Twilio token", "AC", rf"\bAC{_HEX}{{32}}[\"']?\s*[,:]\s*[\"']?{_HEX}{{32}}\b"),
    _form("a SendGrid key", "SG.", rf"\bSG\.{_ANY}{{22}}\.{_ANY}{{43}}\b"),
    _form("a Mailgun key", "key-", rf"\bkey-{_HEX}{{32}}\b"),
    _form("an ElevenLabs key", "sk_", rf"\bsk_{_HEX}{{48}}\b"),
    _form("a Hugging Face token", "hf_", r"\bhf_[A-Za-z]{34}\b"),
    _form("a LangSmith key", "lsv2_", rf"\blsv2_(?:pt|sk)_{_HEX}{{32}}_{_HEX}{{10}}\b"),
    _form("a Pinecone key", "pcsk_", r"\bpcsk_[0-9A-Za-z]{4,8}_[0-9A-Za-z]{50,70}\b"),
    _form("an NVIDIA key", "nvapi-", rf"\bnvapi-{_ANY}{{60,70}}(?![\w-])"),
    _form("a Figma token", "figd_", rf"\bfigd_{_ANY}{{40}}(?![\w-])"),
    _form("a Grafana token", "glsa_", rf"\bglsa_[0-9A-Za-z]{{32}}_{_HEX}{{8}}\b"),
    _form("a Docker Hub token", "dckr_pat_", rf"\bdckr_[po]at_{_ANY}{{27}}(?![\w-])"),
    _form("a Buildkite token", "bkua_", rf"\bbkua_{_HEX}{{40}}\b"),
    _form("a Fly.io token", "fm2_", r"\bfm2_[0-9A-Za-z+/=]{60,900}"),
    _form("a Twitter token", "AAAAAAAAAA", r"\bA{20}[0-9A-Za-z%]{60,200}"),
    _form("a DigitalOcean token", "_v1_", rf"\bdo[opr]_v1_{_HEX}{{64}}\b"),
    _form("a Shopify token", "shp", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b"),
    _form("a Telegram bot token", ":AA", rf"\b[0-9]{{8,10}}:AA{_ANY}{{33}}\b"),
    _form("an Azure storage key", "AccountKey=", r"\bAccountKey=[0-9A-Za-z+/]{86}=="),
    _form("an Azure access signature", "sig=", r"[?&;]sig=(?:[0-9A-Za-z+/]|%2[BF]){40,60}(?:=|%3D)"),
    _form("a Databricks token", "dapi", rf"\bdapi{_HEX}{{32}}(?:-\d)?\b"),
    _form("an Atlassian token", "ATATT3", rf"\bATATT3{_ANY}{{60,250}}=[0-9A-Z]{{8}}\b"),
    _form("a New Relic licence key", "NRAL", r"\b[0-9a-zA-Z]{36}NRAL\b"),
    _form("a New Relic key", "NRAK-", r"\bNRAK-[0-9A-Z]{27}\b"),
    _form("a Sentry token", "sntrys_", r"\bsntrys_eyJ[0-9A-Za-z_\-+/=]{60,400}"),
    _form("a Vault token", "hvs. hvb.", rf"\bhv[sb]\.{_ANY}{{24,300}}"),
    _form("a Doppler token", "dp.", r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[0-9A-Za-z._-]{40,80}"),
    _form("a Supabase token", "sbp_", rf"\bsbp_{_HEX}{{40}}\b"),
    _form("a PlanetScale token", "pscale_", rf"\bpscale_(?:tkn|pw|oauth)_{_ANY}{{32,64}}(?![\w-])"),
    _form("a Postman key", "PMAK-", rf"\bPMAK-{_HEX}{{24}}-{_HEX}{{34}}\b"),
    _form("an Airtable token", "pat", rf"\bpat[0-9A-Za-z]{{14}}\.{_HEX}{{64}}\b"),
    _form("a Mapbox secret token", "sk.eyJ", rf"\bsk\.eyJ{_ANY}{{40,200}}\.{_ANY}{{20,40}}(?![\w-])"),
    _form("a SonarQube token", "squ_ sqp_ sqa_", rf"\bsq[upa]_{_HEX}{{40}}\b"),
    _form("a Tailscale key", "tskey-", r"\btskey-(?:auth|api|client)-[0-9A-Za-z]{10,20}-[0-9A-Za-z]{20,40}\b"),
    _form("an age key", "AGE-SECRET-KEY-", r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b"),
    _form(
        "a password on a command line",
        "-u --user -p -a chpasswd -pass -AsPlainText btoa(",
        r"\bcurl\s[^|;&]{0,300}?(?:-u|--user)[ =]?[\"']?[\w.@-]{1,60}:(?![$<{])([^\s\"'$]{8,100})"
        r"|\b(?:mysql\w*|mariadb\w*)\s[^|;&]{0,300}?\s-p(?![$<{\"'])([^\s\"'$]{8,100})"
        r"|\bredis-cli\s[^|;&]{0,300}?\s-a\s+[\"']?(?![$<{\"'])([^\s\"'$]{8,100})"
        r"|\bsshpass\s+-p\s*[\"']?(?![$<{])([^\s\"'$]{8,100})"
        r"|\s-pass(?:in|out|word)?\s+pass:(?![$<{])([^\s\"'$]{8,100})"
        r"|[\"'][\w.-]{1,32}:(?![$<{])([^\s\"'$]{8,100})[\"']\s*\|\s*(?:sudo\s+)?chpasswd"
        r"|\bConvertTo-SecureString\s+(?:-String\s+)?[\"'](?![$<{])([^\s\"'$]{8,100})"
        r"|\bbtoa\([\"'`][\w.@-]{1,60}:(?![$<{])([^\s\"'`$]{8,100})",
    ),
    _form("a hash of a password", "$", r":\$(?:apr1|2[aby]\$\d\d|[156y])\$[0-9A-Za-z./$]{22,120}"),
    _form(
        "a signed token",
        "eyJ",
        rf"\beyJ{_ANY}{{10,1000}}\.eyJ{_ANY}{{10,4000}}\.{_ANY}{{20,}}",
        _is_signed_token,
    ),
    _form(
        "a password in an address",
        "://",
        r"\b[a-z][a-z0-9+.\-]{1,20}://([^\s:/@'\"]{0,80}):([^\s:/@'\"]{4,80})@[0-9A-Za-z.\-]+",
        _is_password,
    ),
)
"""Of each kind: its name, texts of which a line has one, the whole form, and a test of what the form leaves open."""
