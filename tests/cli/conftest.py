"""What the tests of the command line share: a project of real files, and `aur` in this process or in its own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE, CompletedProcess, Popen
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.warm_python import WarmPopen, fork_own_agents

from aurora_cli.documents import Schema
from aurora_cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

AUR = Path(sys.executable).with_name("aur")


@pytest.fixture(autouse=True)
def _no_agent_clis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever agents this machine has, they are not found: the local one is the default."""
    folders = [str(AUR.parent), "/usr/bin", "/bin"]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))


@pytest.fixture
def aur(capfd: pytest.CaptureFixture[str]) -> Callable[..., CompletedProcess[str]]:
    """Run `aur` in this process, through its door; each document that any test has it print names its schema."""

    def call(*args: str) -> CompletedProcess[str]:
        capfd.readouterr()
        status = run(args)
        captured = capfd.readouterr()
        if "--json" in args and captured.out.startswith("{\n"):
            Schema(json.loads(captured.out)["schema"])
        return CompletedProcess(args, status, captured.out, captured.err)

    return call


@pytest.fixture
def start_aur() -> Iterator[Callable[..., Popen[str]]]:
    """Start `aur`, its imports made, in a process group of its own, as a shell would; the test's end ends it."""
    started = []

    def start(*args: str, stdout: int = PIPE, **environ: str) -> Popen[str]:
        started.append(process := begin(WarmPopen, args, stdout=stdout, environ=environ))
        return process

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def installed() -> Callable[..., CompletedProcess[str]]:
    """Run the installed `aur` to its end, in an interpreter of its own."""

    def call(*args: str, **environ: str) -> CompletedProcess[str]:
        with begin(Popen, args, environ=environ) as process:
            try:
                out, err = process.communicate(timeout=50)
            finally:
                process.kill()
        return CompletedProcess(args, process.returncode, out, err)

    return call


def begin(
    popen: type[Popen[str]], args: Sequence[str], *, stdout: int = PIPE, environ: Mapping[str, str]
) -> Popen[str]:
    return popen(
        [AUR, *args],
        env={**os.environ, **environ},
        stdin=DEVNULL,
        stdout=stdout,
        stderr=PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        process_group=0,
    )


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tester's own settings and home out of every test.

    Projects of tests are trusted; those that are about trust take AURORA_TRUST away.
    """
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    for name in [name for name in os.environ if name.startswith("AURORA_")]:
        monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AURORA_TRUST", "1")
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(autouse=True)
def _forked_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    fork_own_agents(monkeypatch)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a small project that was never set up."""
    root = tmp_path / "shop"
    for name, text in SHOP.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(root)
    return root


TILL = '''\
"""The till: adds prices up and takes money."""

from shop.stock import price_of


class Till:
    """Adds up what a customer buys."""

    def __init__(self) -> None:
        self.total_cents = 0

    def scan(self, article: str) -> int:
        """Add one article's price to the total and return the total in cents."""
        self.total_cents += price_of(article)
        return self.total_cents


def main() -> None:
    """Sell one apple."""
    print(Till().scan("apple"))
'''
STOCK = '''\
"""The stock: what there is and what it costs."""

PRICES = {"apple": 40, "pear": 55}


def price_of(article: str) -> int:
    """Look up an article's price in cents.

    Raises:
        KeyError: there is no such article.
    """
    return PRICES[article]
'''
SHOP = {
    "pyproject.toml": '[project]\nname = "shop"\n[project.scripts]\nshop = "shop.till:main"\n[tool.pytest]\n',
    "src/shop/till.py": TILL,
    "src/shop/stock.py": STOCK,
    "README.md": "# Shop\n\nSells things.\n\n## Prices\n\nPrices are whole cents.\n",
}


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    """Stand in a project in a git repository."""
    return make_shed(tmp_path, monkeypatch)
