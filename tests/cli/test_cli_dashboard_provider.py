"""Signing in to the dashboard with a real provider, by plain requests and in a real Chromium."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.cli.chromium import chromium, chromium_path
from tests.cli.real_provider import RealProvider, real_provider
from tests.cli.sites import served
from tests.cli.waiting import wait_for
from tests.spawner.exported_events import exported_events

from aurora_cli import background
from aurora_core.settings.dashboard_config import DashboardConfig, OidcConfig
from aurora_spawner import SpawnTask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.finished_runs import Shed
    from tests.cli.sites import Site

CHROMIUM = chromium_path()


@pytest.fixture
def provider() -> Iterator[RealProvider]:
    with real_provider() as found:
        yield found


@pytest.fixture
def site(shed: Shed, provider: RealProvider) -> Iterator[Site]:
    oidc = OidcConfig(
        issuer=provider.address,
        client_id="aurora",
        client_secret="client",
        scopes=("openid", "profile"),
        claim="groups",
        roles={"operators": "operator"},
    )
    with served(shed, config=DashboardConfig(oidc=oidc)) as found:
        provider.begin(f"{found.address}/sign-in/callback")
        yield found


def sign_in(client: httpx.Client, site: Site, user: str) -> httpx.Response:
    """Goes through the provider's own pages: the login, and the consent to what the dashboard asks for."""
    page = client.get(f"{site.address}/sign-in")
    for fields in ({"prompt": "login", "login": user, "password": "any"}, {"prompt": "consent"}):
        form = re.search(r'<form[^>]* action="([^"]+)"', page.text)
        assert form, page.text
        page = client.post(httpx.URL(str(page.url)).join(form[1]), data=fields)
    return page


def test_a_real_provider_lets_in_whom_its_claims_give_a_role(site: Site) -> None:
    with httpx.Client(follow_redirects=True, timeout=20) as client:
        entered = sign_in(client, site, "red")
        assert "Signed in as red" in entered.text
        assert "red (operator)" in client.get(f"{site.pages}/").text
        again = client.get(entered.url)  # the same code once more
        assert again.status_code == 403
        out = client.post(f"{site.pages}/sign-out")
        assert "/session/end" in out.text
        assert client.get(f"{site.pages}/").status_code == 401
    with httpx.Client(follow_redirects=True, timeout=20) as client:
        refused = sign_in(client, site, "grey")
        assert refused.status_code == 403
        assert "grey has no role here" in refused.text


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed here")
def test_a_person_signs_in_acts_and_signs_out(
    shed: Shed, site: Site, provider: RealProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "start", lambda *_given, **_more: None)
    run_id = shed.run(SpawnTask("exit 3", id="1")).run_id
    assert CHROMIUM
    with chromium(CHROMIUM) as browser:
        page = browser.page()
        page.open(f"{site.address}/")
        page.click("a[href='/sign-in']")
        page.focus("input[name=login]")  # a click could miss it while the page is laid out
        page.write("red")
        page.focus("input[name=password]")
        page.write("any")
        page.press("Enter")
        page.wait("document.body.innerText.includes('Authorize') || document.querySelector('[value=consent]')")
        page.focus("button[type=submit]")
        page.press("Enter")
        page.wait("document.body.innerText.includes('red (operator)')")
        page.open(f"{site.pages}/runs/{run_id}")
        page.problems.clear()  # those of the provider's pages
        page.click("button[value=retry]")
        wait_for(lambda: bool(exported_events(shed.journal, "user_acted")))
        page.focus("form.who button")
        page.press("Enter")
        page.wait("document.body.innerText.includes('You are signed out here')")
        assert page.problems == []
        page.open(f"{site.pages}/runs/{run_id}")
        page.wait("document.body.innerText.includes('Sign in to see this page')")
    acts = [each["fields"] for each in exported_events(shed.journal, "user_acted")]
    wanted = ("red", "red", provider.address, "operator", "retry")
    assert [tuple(each[name] for name in ("user", "subject", "issuer", "role", "act")) for each in acts] == [wanted]
