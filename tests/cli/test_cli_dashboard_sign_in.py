"""Signing in to the dashboard: by a provider whose every lie is refused, and what each role may do."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwt
from tests.cli.forging_provider import (
    KEY,
    OTHER_KEY,
    Claims,
    ForgingProvider,
    changed_after_signing,
    forging_provider,
    public,
    signed,
    signed_with_public_key,
    unsigned,
)
from tests.cli.sites import served
from tests.exhaustive import few
from tests.spawner.exported_events import exported_events

from aurora_cli.dashboard.access import COOKIE
from aurora_cli.dashboard.entrances import entrances
from aurora_cli.dashboard.provider import Provider
from aurora_cli.dashboard.sign_in import RECORDED_PER_MINUTE, SignIn
from aurora_cli.dashboard.sign_in_errors import OidcMissingError
from aurora_cli.dashboard.signed_in import SignedIn
from aurora_cli.exits import ExitCode
from aurora_core.settings.dashboard_config import DashboardConfig, OidcConfig
from aurora_spawner import SpawnTask
from aurora_spawner.errors import JournalError
from aurora_spawner.journal.approval_facts import ApprovalRequested, SignInSeen
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.store import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess, Popen

    from tests.cli.finished_runs import Shed
    from tests.cli.sites import Site

    Aur = Callable[..., CompletedProcess[str]]
    Start = Callable[..., Popen[str]]

ROLES = {"staff": "viewer", "operators": "operator", "owners": "admin"}


@pytest.fixture
def provider() -> Iterator[ForgingProvider]:
    with forging_provider() as found:
        yield found


def configured(issuer: str, **more: Any) -> DashboardConfig:
    fields = {"client_secret": "client", "scopes": ("openid",), "claim": "groups", "roles": ROLES, **more}
    return DashboardConfig(oidc=OidcConfig(issuer=issuer, client_id="aurora", **fields))


@pytest.fixture
def site(shed: Shed, provider: ForgingProvider) -> Iterator[Site]:
    with served(shed, config=configured(provider.address)) as found:
        yield found


@dataclass
class Visit:
    """A browser that signs in, step by step."""

    site: Site
    client: httpx.Client

    def begin(self) -> str:
        """Returns the address of the provider to which the user is sent."""
        sent = self.client.get(f"{self.site.address}/sign-in")
        assert sent.status_code == 303, sent.text
        assert {"HttpOnly", "SameSite=Lax", "Path=/sign-in"} <= set(sent.headers["set-cookie"].split("; "))
        return sent.headers["location"]

    def come_back(self) -> str:
        """Returns the address to which the provider sends the user back."""
        return httpx.get(self.begin()).headers["location"]

    def sign_in(self) -> httpx.Response:
        return self.client.get(self.come_back())

    def page(self, path: str) -> httpx.Response:
        return self.client.get(self.site.pages + path)

    def act(self, **fields: str) -> httpx.Response:
        key = re.search(r'name="key" value="(\w+)"', self.page(f"/runs/{fields['run']}").text)
        given = {"key": key[1] if key else "", **fields}
        return self.client.post(f"{self.site.pages}/act", data=given, headers={"accept": "application/json"})


@pytest.fixture
def visit(site: Site) -> Iterator[Visit]:
    with httpx.Client(timeout=20) as client:
        yield Visit(site, client)


def test_a_user_signs_in_is_named_and_signs_out(
    visit: Visit, provider: ForgingProvider, site: Site, shed: Shed, aur: Aur
) -> None:
    first = visit.client.get(f"{site.address}/")
    assert first.status_code == 401
    assert f"Sign in with {provider.address}" in first.text
    entered = visit.sign_in()
    assert (entered.status_code, entered.headers.get("location")) == (200, None)
    assert f'content="0;url={site.access.place}/"' in entered.text
    cookie = set(entered.headers.get_list("set-cookie")[0].split("; "))
    assert {"HttpOnly", "SameSite=Strict", f"Path={site.access.place}/"} <= cookie
    assert (provider.asked[0]["code_challenge_method"], provider.asked[0]["response_type"]) == ("S256", "code")
    assert provider.redeemed[0]["redirect_uri"] == f"{site.address}/sign-in/callback"
    page = visit.page("/")
    assert "blue (operator)" in page.text
    assert page.status_code == 200
    token = visit.client.cookies[COOKIE]
    assert visit.client.post(f"{site.pages}/sign-out").status_code == 200
    visit.client.cookies.set(COOKIE, token)
    assert visit.page("/").status_code == 401
    assert visit.client.post(f"{site.pages}/act", data={"do": "cancel", "run": "x"}).status_code == 401
    assert site.told == ["blue has signed in as operator", "blue has signed out"]
    seen = exported_events(shed.journal, "sign_in")
    assert [(each["run_id"], each["fields"]["outcome"], each["fields"]["user"]) for each in seen] == [
        ("dashboard", "in", "blue"),
        ("dashboard", "out", "blue"),
    ]
    assert {(each["fields"]["role"], each["fields"]["issuer"]) for each in seen} == {("operator", provider.address)}
    assert aur("audit", "export", "--decisions").stdout.count('"kind": "sign_in"') == 2
    assert aur("audit", "verify").returncode == aur("runs", "list").returncode == 0, (
        "they are of no run, and upset nothing"
    )


def test_a_sign_in_that_cannot_be_written_down_lets_nobody_in(
    visit: Visit, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_store: Journal, _entries: object) -> None:
        raise JournalError("runs.db", "the disk is full")

    monkeypatch.setattr(Journal, "append", full)
    refused = visit.sign_in()
    assert (refused.status_code, COOKIE in visit.client.cookies) == (503, False)
    assert site.told == ["sign-in failed: runs.db: the disk is full"]


def test_refusals_that_anybody_can_cause_do_not_fill_the_journal(visit: Visit, site: Site, shed: Shed) -> None:
    for _ in range(RECORDED_PER_MINUTE + 5):
        assert visit.client.get(f"{site.address}/sign-in/callback").status_code == 403
    assert len(exported_events(shed.journal, "sign_in")) == RECORDED_PER_MINUTE
    assert len(site.told) == RECORDED_PER_MINUTE + 5


async def test_refusals_that_are_not_written_down_are_counted_in_the_next_that_is() -> None:
    seen, now, full = list[SignInSeen](), [0.0], [False]
    config = configured("http://localhost").oidc
    assert config is not None

    def record(fact: SignInSeen) -> None:
        if full[0]:
            raise JournalError("runs.db", "the disk is full")
        seen.append(fact)

    door = SignIn(
        signed_in=SignedIn(length_s=60),
        place="",
        cookie=str,
        secure=False,
        told=lambda _line: None,
        record=record,
        provider=Provider(config, secret=None, callback="unused"),
        clock=lambda: now[0],
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://localhost") as client:

        async def refused(times: int) -> None:
            for _ in range(times):
                assert (await client.get("/sign-in/callback")).status_code == 403

        await refused(RECORDED_PER_MINUTE + 3)
        now[0], full[0] = 61.0, True
        await refused(1)
        full[0] = False
        await refused(2)
    assert [each.unrecorded for each in seen] == [*[0] * RECORDED_PER_MINUTE, 4, 0]


NOW = int(time.time())
DAY_S = 86_400
"""Further away than a run of all tests is long: these times are set when the tests are collected."""
LIES: dict[str, tuple[Claims, Callable[[Claims], str]]] = {
    "another nonce": ({"nonce": "another"}, signed),
    "no nonce": ({"nonce": None}, signed),
    "another audience": ({"aud": "another"}, signed),
    "two audiences, for the other": ({"aud": ["aurora", "another"], "azp": "another"}, signed),
    "another issuer": ({"iss": "http://127.0.0.1:1"}, signed),
    "expired": ({"iat": NOW - 2 * DAY_S, "exp": NOW - DAY_S}, signed),
    "no expiry": ({"exp": None}, signed),
    "not yet": ({"iat": NOW + DAY_S, "nbf": NOW + DAY_S, "exp": NOW + 2 * DAY_S}, signed),
    "another access token": ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, signed),
    "no subject": ({"sub": None}, signed),
    "a subject that is none": ({"sub": 7}, signed),
    "no role": ({"groups": ["guests"]}, signed),
    "no claim for roles": ({"groups": None}, signed),
    "a claim of another form": ({"groups": {"operators": True}}, signed),
    "no signature": ({}, unsigned),
    "the public key as a secret": ({}, signed_with_public_key),
    "another key of that name": ({}, lambda claims: signed(claims, key=OTHER_KEY)),
    "a changed body": ({}, changed_after_signing),
    "a key that is not there": ({}, lambda claims: signed(claims, kid="two")),
    "no token": ({}, lambda _claims: "none"),
}


@pytest.mark.parametrize("lie", few(LIES, 4))
def test_a_provider_that_lies_lets_nobody_in(
    visit: Visit, provider: ForgingProvider, site: Site, shed: Shed, lie: str
) -> None:
    provider.claims, provider.sign = LIES[lie]
    refused = visit.sign_in()
    assert refused.status_code == 403, refused.text
    assert COOKIE not in visit.client.cookies
    assert visit.page("/").status_code == 401
    assert [each.partition(":")[0] for each in site.told] == ["sign-in refused"]
    (seen,) = exported_events(shed.journal, "sign_in")
    assert seen["fields"]["outcome"] == "refused"
    assert site.told == [f"sign-in refused: {seen['fields']['why']}".rstrip()]
    if "role" in lie or "claim" in lie:
        assert "blue has no role here" in refused.text


def _state(address: str) -> str:
    return re.sub(r"state=[^&]+", "state=wrong", address)


CALLBACKS: dict[str, Callable[[str], str]] = {
    "another state": _state,
    "no state": lambda address: re.sub(r"&?state=[^&]+", "", address),
    "no code": lambda address: re.sub(r"code=[^&]+&", "", address),
    "another's answer": lambda address: f"{address}&iss=http://127.0.0.1:1",
    "an error": lambda address: f"{address}&error=access_denied&error_description=%3Cscript%3E",
}


@pytest.mark.parametrize("lie", few(CALLBACKS, 2))
def test_an_answer_that_does_not_fit_is_refused_once_and_for_all(visit: Visit, lie: str) -> None:
    address = visit.come_back()
    refused = visit.client.get(CALLBACKS[lie](address))
    assert refused.status_code == 403
    assert "<script>" not in refused.text
    assert visit.client.get(address).status_code == 403  # the sign-in is over, whoever comes with the right one
    assert visit.page("/").status_code == 401


def test_a_code_counts_once_and_in_one_browser(visit: Visit, provider: ForgingProvider) -> None:
    address = visit.come_back()
    assert httpx.get(address).status_code == 403  # another browser, as of somebody who was sent the address
    assert provider.redeemed == []
    assert visit.client.get(address).status_code == 200
    visit.client.cookies.clear()
    assert visit.client.get(address).status_code == 403
    began = parse_qs(urlsplit(visit.begin()).query)["state"][0]
    replayed = re.sub(r"state=[^&]+", f"state={began}", address)  # the code of before, with the state of now
    assert "did not redeem the code" in visit.client.get(replayed).text
    assert len(provider.redeemed) == 1
    assert visit.page("/").status_code == 401


def test_no_request_says_where_to_go_afterwards(visit: Visit, site: Site) -> None:
    for name in ("next", "redirect_uri", "return_to", "url"):
        sent = visit.client.get(f"{site.address}/sign-in", params={name: "http://evil.example/"})
        assert "evil" not in sent.headers["location"]
    address = visit.come_back()
    entered = visit.client.get(f"{address}&next=http://evil.example/")
    assert "evil" not in entered.text
    assert visit.client.get(address, headers={"host": "evil.example"}).status_code == 421
    started = visit.client.get(f"{site.address}/sign-in", headers={"sec-fetch-site": "cross-site"})
    assert started.status_code == 403


def test_roles_may_what_their_claims_say_and_the_journal_names_the_user(
    shed: Shed, visit: Visit, provider: ForgingProvider, site: Site
) -> None:
    run_id = shed.run(SpawnTask("exit 3", id="1")).run_id
    provider.claims = {"groups": ["staff"]}
    visit.sign_in()
    assert "<button name" not in visit.page(f"/runs/{run_id}").text
    for key in ("", site.access.form_key(site.access.token)):  # with the key of a form that it never was given, too
        refused = visit.client.post(
            f"{site.pages}/act", data={"do": "cancel", "run": run_id, "task": "1", "key": key}
        )
        assert refused.status_code == 403
        assert "blue (role viewer) may not do that (cancel)" in refused.text
    provider.claims = {"groups": ["other", "operators", "staff"]}
    visit.sign_in()
    assert visit.act(do="say", run=run_id, text="do as I say").status_code == 403
    assert "is already failed" in visit.act(do="cancel", run=run_id, task="1").json()["said"]
    provider.claims = {"groups": "owners"}
    visit.sign_in()
    assert "is not running" in visit.act(do="pause", run=run_id).json()["said"]
    wanted = [
        (each["task"], *(each["fields"][name] for name in ("user", "subject", "issuer", "role", "act")))
        for each in exported_events(shed.journal, "user_acted")
    ]
    who = ("blue", "blue-1", provider.address)
    assert wanted == [
        ("1", *who, "viewer", "cancel"),
        ("1", *who, "viewer", "cancel"),
        (None, *who, "operator", "say"),
        ("1", *who, "operator", "cancel"),
        (None, *who, "admin", "pause"),
    ]


def test_an_answer_on_the_page_names_its_user(
    aur: Aur, shed: Shed, visit: Visit, provider: ForgingProvider, site: Site
) -> None:
    run_id = shed.run(SpawnTask("exit 3", id="1")).run_id
    texts = {"agent": "sh", "gate": "after", "subject": "rm -r x", "rule": "deletes", "reason": "it deletes"}
    asked = [
        ApprovalRequested(approval=name, number=1, shape="rm -r", limit_s=None, **texts)
        for name in ("abc234", "abc235")
    ]
    with Journal(shed.journal) as journal:
        journal.append([entry_of(each, run_id=run_id, task_id="1") for each in asked])
    provider.claims = {"preferred_username": "blue\x1b[31m"}
    visit.sign_in()
    refused = visit.act(do="always", run=run_id, question="abc234")
    assert (refused.status_code, "may not do that (always)" in refused.text) == (403, True)
    assert "approved" in visit.act(do="approve", run=run_id, question="abc234").json()["said"]
    with site.client() as owner:
        key = site.access.form_key(site.access.token)
        owner.post("/act", data={"key": key, "do": "deny", "question": "abc235"})
    shown = aur("runs", "show", run_id).stdout
    assert "abc234" in shown
    assert "approved by user blue\\x1b[31m" in shown
    assert "denied by user  (" in shown
    decisions = [json.loads(line) for line in aur("audit", "export", "--decisions").stdout.splitlines()]
    acts = [each["fields"] for each in decisions if each["kind"] == "user_acted"]
    assert [(each["act"], each["approval"], bool(each["refused"])) for each in acts] == [
        ("always", "abc234", True),
        ("approve", "abc234", False),
    ]
    assert aur("audit", "verify").returncode == ExitCode.DONE


def test_an_act_is_written_down_in_the_run_that_it_is_about(visit: Visit, shed: Shed) -> None:
    run_id, other = (shed.run(SpawnTask("exit 3", id="1")).run_id for _ in range(2))
    asked = ApprovalRequested(
        approval="abc234",
        number=1,
        shape="",
        limit_s=None,
        agent="sh",
        gate="after",
        subject="x",
        rule="r",
        reason="",
    )
    with Journal(shed.journal) as journal:
        journal.append([entry_of(asked, run_id=other, task_id="1")])
    visit.sign_in()
    said = visit.act(do="cancel", run=run_id, task="1", question="abc234").json()["said"]
    assert "is already failed" in said
    (act,) = exported_events(shed.journal, "user_acted")
    assert (act["run_id"], act["fields"]["approval"]) == (run_id, "")
    visit.act(do="approve", run=run_id, question="abc234")
    assert exported_events(shed.journal, "user_acted")[1]["run_id"] == other


def test_an_act_on_a_run_that_is_not_there_is_not_done(visit: Visit, shed: Shed) -> None:
    shed.run(SpawnTask("true", id="1"))
    visit.sign_in()
    page = visit.client.post(
        f"{visit.site.pages}/act",
        data={"do": "cancel", "run": "spawn-9", "key": visit.site.access.form_key(visit.site.access.token)},
    )
    assert "not done" in page.text
    assert exported_events(shed.journal, "user_acted") == []


def test_roles_come_from_the_information_about_the_user_too(visit: Visit, provider: ForgingProvider) -> None:
    provider.claims = {"groups": None}
    provider.userinfo = {"sub": "another", "groups": ["owners"]}
    refused = visit.sign_in()
    assert "about another user" in refused.text
    provider.userinfo = {"sub": "blue-1", "groups": ["owners"]}
    assert visit.sign_in().status_code == 200
    assert "blue (admin)" in visit.page("/").text


def test_new_keys_of_the_provider_are_fetched(visit: Visit, provider: ForgingProvider) -> None:
    assert visit.sign_in().status_code == 200
    provider.keys = [{**public(OTHER_KEY), "kid": "two"}]
    provider.sign = lambda claims: signed(claims, key=OTHER_KEY, kid="two")
    assert visit.sign_in().status_code == 200
    provider.keys = [public(KEY)]
    provider.sign = lambda claims: signed(claims, key=KEY)
    assert visit.sign_in().status_code == 200
    provider.keys = [public(OTHER_KEY)]
    provider.sign = lambda claims: signed(claims, key=OTHER_KEY)  # of the name that the key before it had
    assert visit.sign_in().status_code == 200


def test_keys_that_cannot_be_used_stand_in_no_ones_way(visit: Visit, provider: ForgingProvider) -> None:
    others: list[Any] = [
        {"kty": "EC", "crv": "brainpoolP256r1", "x": "AA", "y": "AA", "kid": "two"},
        {"kty": "RSA", "kid": "three"},
        {**public(OTHER_KEY), "use": "enc", "kid": "four"},
        {"kty": "oct", "k": "AA", "kid": "five"},
        "no key",
    ]
    provider.keys = [*others, {name: value for name, value in public(KEY).items() if name != "kid"}]
    provider.sign = lambda claims: jwt.encode({"alg": "RS256"}, claims, KEY)
    assert visit.sign_in().status_code == 200


METADATA: dict[str, Claims] = {
    "another issuer": {"issuer": "http://127.0.0.1:1"},
    "an address in the open": {"token_endpoint": "http://provider.example/token"},
    "no PKCE": {"code_challenge_methods_supported": ["plain"]},
    "no keys": {"jwks_uri": None},
}


@pytest.mark.parametrize("lie", few(METADATA, 2))
def test_a_provider_that_cannot_be_used_is_named(visit: Visit, provider: ForgingProvider, lie: str) -> None:
    provider.metadata = METADATA[lie]
    answer = visit.client.get(f"{visit.site.address}/sign-in")
    assert answer.status_code == 502
    assert f"the sign-in provider {provider.address} cannot be used" in answer.text


def test_without_a_provider_nobody_is_let_in_but_by_the_token(shed: Shed) -> None:
    with served(shed, config=configured("http://127.0.0.1:1")) as site, site.client() as owner:
        answer = httpx.get(f"{site.address}/sign-in")
        assert answer.status_code == 502
        assert "try again later" in answer.text
        assert "sign-in failed" in site.told[0]
        assert httpx.get(f"{site.pages}/").status_code == 401
        assert owner.get("/").status_code == 200


def test_a_session_ends_in_time_and_with_a_sign_out_its_stream(shed: Shed, provider: ForgingProvider) -> None:
    with served(shed, config=configured(provider.address)) as site, httpx.Client(timeout=20) as client:
        assert site.access.signed_in
        visit = Visit(site, client)
        visit.sign_in()
        with client.stream("GET", f"{site.pages}/stream") as stream:
            lines = stream.iter_lines()
            assert client.post(f"{site.pages}/sign-out").status_code == 200
            assert "event: reload" in list(lines)
        visit.sign_in()
        site.access.signed_in.clock = lambda: time.monotonic() + 8 * 3600 + 1
        assert visit.page("/").status_code == 401


def test_a_stream_ends_with_the_time_of_its_session(shed: Shed, provider: ForgingProvider) -> None:
    with served(shed, config=configured(provider.address)) as site, httpx.Client(timeout=20) as client:
        assert site.access.signed_in
        site.access.signed_in.length_s = 1.0
        Visit(site, client).sign_in()
        with client.stream("GET", f"{site.pages}/stream") as stream:
            assert list(stream.iter_lines())[-3:] == ["event: reload", "data:", ""]


def test_no_stream_begins_for_a_session_that_ends_meanwhile(
    visit: Visit, shed: Shed, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = shed.run(SpawnTask("true", id="1")).run_id
    visit.sign_in()
    signed_in, token = site.access.signed_in, visit.client.cookies[COOKIE]
    assert signed_in
    monkeypatch.setattr("aurora_cli.dashboard.app.is_held", lambda *_: signed_in.leave(token))
    with visit.client.stream("GET", f"{site.pages}/stream/{run_id}") as stream:
        assert list(stream.iter_lines()) == ["event: reload", "data:", ""]


def test_the_password_lets_its_holder_in_and_guesses_run_dry(shed: Shed) -> None:
    with served(shed, config=DashboardConfig(password="dashboard")) as site, httpx.Client(timeout=20) as client:
        assert 'type="password"' in client.get(f"{site.address}/").text
        for guess in range(10):
            wrong = client.post(f"{site.address}/sign-in/password", data={"password": f"guess {guess}"})
            assert wrong.status_code == 403
            assert "set-cookie" not in wrong.headers
        with ThreadPoolExecutor(5) as guessing:  # at once, too
            guesses = [{"password": f"more {number}"} for number in range(5)]
            more = guessing.map(lambda guess: httpx.post(f"{site.address}/sign-in/password", data=guess), guesses)
            assert {each.status_code for each in more} == {429}
        late = client.post(f"{site.address}/sign-in/password", data={"password": "correct horse battery"})
        assert (late.status_code, "wait a minute" in late.text) == (429, True)
        assert [each.partition(": ")[2] for each in site.told[-2:]] == ["too many wrong passwords in a minute"] * 2
    with served(shed, config=DashboardConfig(password="dashboard")) as site, httpx.Client(timeout=20) as client:
        given = client.post(f"{site.address}/sign-in/password", data={"password": "correct horse battery"})
        assert given.status_code == 200
        assert "password (admin)" in client.get(f"{site.pages}/").text
        assert client.get(f"{site.address}/sign-in").status_code == 401  # there is no provider to go to


HOSTS: dict[str, tuple[str, bool, str, str]] = {
    "no TLS": ("0.0.0.0", False, "dashboard: {password: keys:dashboard}", "that needs TLS"),
    "no TLS, by name": ("aurora.example", False, "", "that needs TLS"),
    "no password": ("0.0.0.0", True, "", "that needs a password of your own"),
    "no address": ("0.0.0.0", True, "dashboard: {password: keys:dashboard}", "set dashboard.address"),
    "a short password": ("127.0.0.1", True, "dashboard: {password: keys:short}", "at least 12 characters"),
    "no such key": ("127.0.0.1", True, "dashboard: {password: keys:none}", "NONE_API_KEY"),
    "a key as it is": ("127.0.0.1", True, "dashboard: {password: hunter2-hunter2}", "must name a key"),
}


@pytest.mark.parametrize("name", few(HOSTS, 3))
def test_other_machines_reach_no_dashboard_without_protection(
    aur: Aur, shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    host, tls, config, said = HOSTS[name]
    chain, key = certificate(tmp_path)
    own = Path.home() / ".config/aurora/config.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(config)
    monkeypatch.setenv("SHORT_API_KEY", "hunter2")
    monkeypatch.setenv("DASHBOARD_API_KEY", "correct horse battery")
    options = ("--certificate", str(chain), "--private-key", str(key)) if tls else ()
    refused = aur("dashboard", "--port", "0", "--host", host, *options)
    assert refused.returncode != ExitCode.DONE
    assert said in refused.stderr
    assert "hunter2" not in refused.stderr + refused.stdout
    assert not refused.stdout


@pytest.mark.parametrize(
    ("host", "port", "tls", "address"),
    [
        ("10.0.0.5", 443, True, "https://10.0.0.5"),
        ("Page.example", 8766, True, "https://page.example:8766"),
        ("::1", 80, False, "http://[::1]"),
    ],
)
def test_the_address_is_the_one_that_browsers_name(host: str, port: int, tls: bool, address: str) -> None:
    found = entrances(DashboardConfig(), (host, port), tls=tls, key=str, told=print, record=print)
    assert found.address == address
    assert address.partition("://")[2] in found.access.hosts


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "aurora_cli.dashboard.provider", raising=False)
    monkeypatch.setitem(sys.modules, "authlib.integrations.base_client", None)
    config = configured("http://127.0.0.1:1")
    with pytest.raises(OidcMissingError, match="needs authlib") as missing:
        entrances(config, ("127.0.0.1", 1), tls=False, key=str, told=print, record=print)
    assert "aurora-aur[oidc]" in missing.value.hint


def test_a_certificate_that_cannot_be_used_is_named(aur: Aur, shed: Shed, tmp_path: Path) -> None:
    assert shed.path.is_dir()
    chain, key = certificate(tmp_path)
    half = aur("dashboard", "--certificate", str(chain))
    assert half.returncode == ExitCode.USAGE
    wrong = aur("dashboard", "--port", "0", "--certificate", str(key), "--private-key", str(chain))
    assert "cannot be used as certificate" in wrong.stderr


def test_a_password_lets_its_holder_in_by_tls(start_aur: Start, shed: Shed, tmp_path: Path) -> None:
    assert shed.path.is_dir()
    chain, key = certificate(tmp_path)
    own = Path.home() / ".config/aurora/config.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("dashboard: {password: keys:dashboard, address: 'https://page.example'}\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--port", str(port), "--host", "0.0.0.0", "--certificate", str(chain), "--private-key", str(key))
    serving = start_aur("dashboard", *options, DASHBOARD_API_KEY="correct horse battery")
    assert serving.stdout
    assert serving.stdout.readline().startswith("https://page.example/?token=")
    address, host = f"https://127.0.0.1:{port}", {"host": "page.example"}
    verified = ssl.create_default_context(cafile=str(chain))
    with httpx.Client(base_url=address, verify=verified, headers=host, timeout=20) as client:
        assert client.get("/").status_code == 401
        entered = client.post("/sign-in/password", data={"password": "correct horse battery"})
        assert entered.status_code == 200
        assert "; Secure" in entered.headers["set-cookie"]
    assert spoken(port, chain, "ECDHE-ECDSA-AES128-GCM-SHA256") == "TLSv1.2"
    with pytest.raises(ssl.SSLError):
        spoken(port, chain, "ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA")
    serving.send_signal(signal.SIGINT)
    _out, err = serving.communicate(timeout=20)
    assert "password has signed in as admin" in err
    assert "correct horse" not in err


def spoken(port: int, chain: Path, ciphers: str) -> str | None:
    """The version of TLS that is spoken with a browser which knows no newer one than 1.2, and these ciphers alone."""
    browser = ssl.create_default_context(cafile=str(chain))
    browser.maximum_version = ssl.TLSVersion.TLSv1_2
    browser.set_ciphers(ciphers)
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    with plain, browser.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
        return secured.version()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that vouches for itself, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(private, hashes.SHA256())
    )
    chain, key = folder / "page.pem", folder / "page.key"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key.write_bytes(private.private_bytes(*form))
    return chain, key
