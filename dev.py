#!/usr/bin/env python3
"""Everything a fresh clone needs, from Python and git alone.

    python3 dev.py aur soar "How does the scheduler decide what runs next?"
    python3 dev.py test [--all] [pytest's arguments]
    python3 dev.py check            format, lint, types, import contracts, pins
    python3 dev.py lock [--upgrade] refresh the pins in pyproject.toml and requirements.lock
    python3 dev.py build            five wheels and source distributions into dist/
    python3 dev.py sync             only set up
    python3 dev.py run PROGRAM ...  run a program of the environment

The first call brings uv (the version and hashes that requirements.lock pins) into .tools/, and with it makes .venv
from requirements.lock, every file checked against its hash, with the five packages in place. Later calls start at
once. Nothing outside the clone is changed.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file must say so itself on an older one
    sys.exit(f"Aurora needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: python3.11 dev.py")

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TOOLS = ROOT / ".tools"
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "aurora-set-up"
PACKAGES = ("core", "policies", "spawner", "soar", "cli")
BIN = "Scripts" if os.name == "nt" else "bin"
CHECKED = ("packages", "tests", "benchmarks", "tools", "dev.py")
Held = tuple[()] | tuple[int]
# What an active environment would bring in from outside.
FOREIGN = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")
# Machines with a certificate authority of their own are known to the system, not to uv; and the Python that runs this
# file is the one to use.
UV_ENVIRONMENT = {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}


def main(arguments: list[str]) -> None:
    """Set up what is missing, then do what is asked."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("help", [])
    if command == "aur":
        replace_by("aur", *rest)
    elif command == "test":
        os.chdir(ROOT)
        replace_by("python", "-m", "pytest", *rest)
    elif command == "run" and rest:
        replace_by(*rest)
    elif command == "check":
        check()
    elif command == "lock":
        run_or_end([tool("python"), ROOT / "tools" / "lock.py", uv(), *rest])
    elif command == "build":
        set_up()
        shutil.rmtree(ROOT / "dist", ignore_errors=True)
        run_or_end([uv(), "build", "--all-packages", "--quiet", "--out-dir", ROOT / "dist"])
    elif command == "sync":
        set_up()
    else:
        sys.exit(__doc__)


def replace_by(program: str, *arguments: str) -> None:
    """Become a program of the environment, in the caller's folder."""
    path = tool(program)
    if sys.stdout is not None:  # closed by `>&-`
        sys.stdout.flush()
    if os.name == "nt":
        sys.exit(subprocess.run([path, *arguments], check=False, env=environ()).returncode)
    os.execve(path, [str(path), *arguments], environ())  # noqa: S606 - the caller's own words, no shell


def check() -> None:
    """Run every check, all of them even when one fails."""
    python = tool("python")
    sources = [f"packages/{name}/src" for name in PACKAGES]
    checks: dict[str, Sequence[str | Path]] = {
        "format": [python, "-m", "ruff", "format", "--check", "--quiet", *CHECKED],
        "lint": [python, "-m", "ruff", "check", "--quiet", *CHECKED],
        "types": [python, "-m", "mypy", *sources, *CHECKED[1:]],
        "import contracts": [tool("lint-imports")],
        "pins": [python, "tools/lock.py", "--check"],
    }
    failed = [name for name, command in checks.items() if not passes(name, command)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def passes(name: str, command: Sequence[str | Path]) -> bool:
    """Run one check and say how long it took."""
    started = time.monotonic()
    passed = subprocess.run(command, check=False, cwd=ROOT, env=environ()).returncode == 0
    print(f"{name}: {'ok' if passed else 'FAILED'} ({time.monotonic() - started:.1f} s)", flush=True)
    return passed


def tool(program: str) -> Path:
    """The path of a program in the environment, set up where needed."""
    set_up()
    path = VENV / BIN / (f"{program}.exe" if os.name == "nt" else program)
    if not path.exists():
        sys.exit(f"{program} is not in the environment; programs there: see {VENV / BIN}")
    return path


def set_up() -> None:
    """Make .venv what the pins say; one process at a time, and nothing half-made ever looks ready."""
    wanted = stamp()
    if read(STAMP) == wanted:
        return
    program = uv()
    with only_one() as lock:
        if read(STAMP) == wanted:
            return
        print("setting up .venv (once; it is checked against requirements.lock)", file=sys.stderr, flush=True)
        # Without a stamp an earlier set-up was cut short, or somebody else made .venv: neither is built upon.
        begun = read(STAMP).partition("\n")[0] == wanted.partition("\n")[0] and starts(VENV)
        STAMP.unlink(missing_ok=True)
        if not begun:
            run_uv(program, lock, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV))
        # Compiled now: the first `aur` starts faster, and so does each where a machine lets Python keep no bytecode.
        exactly = ("--quiet", "--require-hashes", "--compile-bytecode", "--python", str(VENV), str(LOCK))
        run_uv(program, lock, "pip", "sync", *exactly)
        editable = [argument for name in PACKAGES for argument in ("-e", str(ROOT / "packages" / name))]
        run_uv(program, lock, "pip", "install", "--quiet", "--no-deps", "--python", str(VENV), *editable)
        STAMP.write_text(wanted, encoding="utf-8")


def stamp() -> str:
    """What the environment depends on: this interpreter, then the pins and the packages' metadata."""
    interpreter = f"{platform.python_implementation()} {platform.python_version()} {sys.base_prefix}"
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (LOCK, *(ROOT / "packages" / name / "pyproject.toml" for name in PACKAGES)):
        digest.update(path.read_bytes())
    return f"{interpreter}\n{digest.hexdigest()}\n"


def read(path: Path) -> str:
    """A small file's text; "" where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def starts(environment: Path) -> bool:
    """Whether the interpreter of an environment still runs; the one that it was made from may be gone."""
    try:
        return subprocess.run([environment / BIN / "python", "-c", ""], check=False, env=environ()).returncode == 0
    except OSError:
        return False


@contextmanager
def only_one() -> Iterator[Held]:
    """Hold the clone's set-up lock; a second call waits for the first, and for what a killed one left running.

    Yields the lock's file descriptor for the commands of the set-up to hold, so that it lasts as long as they do.
    """
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as file:
        if os.name == "nt":
            yield ()
            return
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
        yield (file.fileno(),)


def uv() -> Path:
    """The path of the pinned uv, brought into .tools/ where it is missing."""
    version, requirement = pinned_uv()
    path = TOOLS / f"uv-{version}" / ("uv.exe" if os.name == "nt" else "uv")
    if path.exists():
        return path
    with only_one() as lock:
        if not path.exists():
            print(f"bringing uv {version} into .tools/", file=sys.stderr, flush=True)
            bring_uv(path, requirement, lock)
    return path


def bring_uv(path: Path, requirement: str, lock: Held) -> None:
    """Install uv, held against its hashes, and keep the program."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        sys.exit(f"{sys.executable} has no venv or no pip; install them (Debian, Ubuntu: apt install python3-venv)")
    with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
        file = Path(folder) / "uv.txt"
        file.write_text(requirement, encoding="utf-8")
        made = Path(folder) / "made"
        python = made / BIN / "python"
        step([sys.executable, "-m", "venv", made], lock, f"{sys.executable} could not make a virtual environment")
        install: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        exactly: list[str | Path] = ["--require-hashes", "--no-deps", "-r", file]
        step([*install, *exactly], lock, "uv could not be fetched; is there a network?")
        path.parent.mkdir(exist_ok=True)
        # Copied beside its place and then renamed: an interrupted copy never looks like a program.
        shutil.copy2(made / BIN / path.name, path.with_name("copied"))
        path.with_name("copied").replace(path)


def pinned_uv() -> tuple[str, str]:
    """The version of uv in requirements.lock, and its requirement with all hashes."""
    match = re.search(r"^uv==(\S+)(?:.*\\\n)(?:\s+--hash=.*\n?)+", read(LOCK), re.MULTILINE)
    if match is None:
        sys.exit("requirements.lock pins no uv; restore the file: git checkout requirements.lock")
    return match.group(1), match.group(0)


def run_uv(program: Path, lock: Held, *arguments: str) -> None:
    """Run uv for the set-up."""
    step([program, *arguments], lock, f"uv {arguments[0]} failed; what it said stands above. Is there a network?")


def step(command: Sequence[str | Path], lock: Held, hint: str) -> None:
    """Run a command of the set-up; its failure ends the set-up with a hint."""
    done = subprocess.run(command, check=False, cwd=ROOT, env=environ(**UV_ENVIRONMENT), pass_fds=lock)
    if done.returncode != 0:
        sys.exit(hint)


def run_or_end(command: Sequence[str | Path]) -> None:
    """Run a command that says itself what is wrong; end with its status where that is not 0."""
    status = subprocess.run(command, check=False, cwd=ROOT, env=environ(**UV_ENVIRONMENT)).returncode
    if status != 0:
        sys.exit(status)


def environ(**more: str) -> dict[str, str]:
    """The environment of everything that is started here, with nothing of one that may be active."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN} | more


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
