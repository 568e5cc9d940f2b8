"""The judge of a script: it hands each command to the module that knows the program, and collects the effects."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Effect, Rule
from aurora_policies.places import is_secret
from aurora_policies.programs.variables import unset_effects, variable_effects
from aurora_policies.schema import Action
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream
from aurora_policies.shell.words import TAINT, UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from aurora_policies.branches import ProtectedBranches
    from aurora_policies.places import Patterns, Places
    from aurora_policies.repository import Repository
    from aurora_policies.shell.command import Command
    from aurora_policies.shell.port import Shell
    from aurora_policies.shell.state import State, Value

__all__ = ["Call", "Judge", "Surroundings"]

MAX_READ: Final = 64_000
MAX_FILES: Final = 2_000
"""Files and folders that are looked at, to see if one of them holds a secret."""
_FRESH: Final = "/tmp/aurora-fresh."  # noqa: S108 - a name for what mktemp makes; nothing is written there
_NO_NAME: Final = re.compile(r"[\s;|&()<>`\"']")
"""In the name of a program it is a sign that the parser was led astray."""
_VERSION: Final = re.compile(r"(?<![\d.])-?\d+(\.\d+)*$")
"""The version at the end of a program's name."""
ASK: Final = "Leave it to the user, or say in your answer why it is needed."
_CONNECTIONS: Final = ("/dev/tcp/", "/dev/udp/")
PIPED: Final = "runs a script that comes through a pipe"
LITERAL: Final = "Write the command out, with its name, options and paths as plain words, so that it can be checked."


def both(before: Stream, content: Stream, *, between: str) -> Stream:
    """Returns the content of a file that is written twice: known if both parts are, secret if one is."""
    known = before.text is not None and content.text is not None
    text = f"{before.text}{between}{content.text}" if known else None
    return Stream(text, before.secret or content.secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The facts about the machine that the judge knows.

    Attributes:
        places: classes of paths.
        protected: the patterns of `safety.protected_paths`.
        repository: the git repository of the workspace.
        branches: its protected branches.
        isolated: the workspace is a worktree of its own, which the agent must not leave.
        custom: the action of the user's own rule for a command, and its effect; None if no rule fits.
        contacts: the effects of the user's own rules for hosts, of a program with these arguments.
        reads_files: scripts and SQL files that a command runs are read from disk.
    """

    places: Places
    protected: Patterns
    repository: Repository
    branches: ProtectedBranches
    isolated: bool = False
    custom: Callable[[tuple[str, ...]], Effect | None] = lambda _words: None
    contacts: Callable[[str, tuple[Word, ...]], Iterable[Effect]] = lambda _name, _words: ()
    reads_files: bool = True


@dataclass(slots=True)
class Found:
    """The effects that have been found so far.

    Attributes:
        effects: without repetitions, in order.
        deleted: named files of the workspace.
        excused: commands that the user's own rule allows are being judged.
    """

    effects: dict[Effect, None] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    excused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A program that is run.

    Attributes:
        name: without its folder.
        words: the arguments.
        path: the name as it was given.
    """

    name: str
    words: tuple[Word, ...]
    path: Word
    input: Stream
    variables: Mapping[str, Value]
    shell: Shell
    judge: Judge

    @property
    def state(self) -> State:
        """The shell's state."""
        return self.shell.state

    def texts(self) -> list[str]:
        """Returns the arguments as texts."""
        return [word.text for word in self.words]


class Judge:
    """Judges the commands of one script."""

    def __init__(
        self,
        around: Surroundings,
        programs: Mapping[str, Callable[[Call], Stream]],
        otherwise: Callable[[Call], Stream],
    ) -> None:
        self.around = around
        self.found = Found()
        self._programs = programs
        self._otherwise = otherwise
        self._fresh = 0

    # -- what a shell asks ----------------------------------------------------------------------------------------

    def run(self, command: Command, shell: Shell) -> Stream:
        """Judges a command and returns its standard output."""
        path = command.words[0]
        name = posixpath.basename(path.text)
        if not name or UNKNOWN in name or path.glob or _NO_NAME.search(name):
            self.undecided("the name of a command is not known")
            for index, word in enumerate(command.words[1:], 1):  # `$SUDO rm -rf /`
                if word.text in self._programs:
                    shell.run_words(command.words[index:], stdin=command.input)
                    break
            return NOT_KNOWN
        for effect in self.around.contacts(name, command.words[1:]):
            self.add(effect)
        custom = self.around.custom(tuple(word.text for word in command.words))
        if custom is not None and custom.action is not Action.ALLOW:
            self.add(custom)
        allowed = custom is not None and custom.action is Action.ALLOW
        before = self.found.excused
        self.found.excused = before or allowed
        try:
            return self._judged(name, path, command, shell)
        finally:
            self.found.excused = before

    def _judged(self, name: str, path: Word, command: Command, shell: Shell) -> Stream:
        if name not in self._programs and name.lower().removesuffix(".exe") in self._programs:
            name = name.lower().removesuffix(".exe")  # some disks do not tell upper and lower case apart
        if name not in self._programs:
            name = _VERSION.sub("", name) if _VERSION.sub("", name) in self._programs else name  # perl5.38.2
        call = Call(
            name=name,
            words=command.words[1:],
            path=path,
            input=command.input,
            variables=command.assignments,
            shell=shell,
            judge=self,
        )
        handler = self._programs.get(name)
        if handler is not None and "/" in path.text and self._written(path, shell):
            handler = None  # a file of that name that the script itself has written
        return handler(call) if handler is not None else self._otherwise(call)

    def _written(self, path: Word, shell: Shell) -> bool:
        full = shell.path(path.text)
        return full is not None and full in shell.files.content

    def read(self, target: Word, shell: Shell) -> Stream:
        """Returns the content of a file: what the script wrote, or what is on disk."""
        self._connects(target)
        return self.content(target, shell)

    def _connects(self, target: Word) -> None:
        """Records what the user's rules for hosts object to in a file that is a connection for bash."""
        if target.text.startswith(_CONNECTIONS):
            for effect in self.around.contacts("bash", (target,)):
                self.add(effect)

    def write(self, target: Word, content: Stream, shell: Shell, *, append: bool, by: str | None) -> None:
        """Records that a redirection writes a file; nothing that is written empties it."""
        path = shell.path(target.text)
        self._connects(target)
        if content.secret and target.text.startswith(_CONNECTIONS):
            self.secret_sent(content.secret, "a network connection")
        if not append and by != "exec" and content.text is not None and not content.text.strip():
            self.empties(target, shell)
        self.writes(target, shell, "writes")
        if path is not None and UNKNOWN not in path:
            real = self.real(path, shell)
            if content.secret and real in shell.files.sent:
                self.secret_sent(content.secret, "what another command sends")
            before = shell.files.content.get(real)
            if before is not None and (append or shell.files.perhaps):
                content = both(before, content, between="" if append else "\n")
            shell.files.content[path] = shell.files.content[real] = content
            if not append:
                shell.files.made.add(path)

    def assigned(self, name: str, value: Value, shell: Shell) -> None:
        """Records that a variable is set; some make other programs run something."""
        text = value if isinstance(value, str) else UNKNOWN
        around = self.around
        for effect in variable_effects(name, text, places=around.places, isolated=around.isolated, path=shell.path):
            self.add(effect)
        for effect in around.contacts("env", (Word(f"{name}={text}"),)):
            self.add(effect)

    def unset(self, name: str) -> None:
        """Records that a variable is taken away."""
        for effect in unset_effects(name):
            self.add(effect)

    def undecided(self, reason: str) -> None:
        """Records that a part cannot be decided."""
        self.add(Effect(rule=Rule.UNDECIDABLE, reason=reason, instead=LITERAL, action=Action.PROMPT))

    def fork_bomb(self, name: str) -> None:
        """Records a function that starts itself without end."""
        self.deny(Rule.SYSTEM_DAMAGE, f"the function {name} starts itself without end", "Do not run it.")

    def piles_up(self) -> None:
        """Records a loop that starts programs without end."""
        self.prompt(
            Rule.SYSTEM_DAMAGE,
            "starts programs in the background without end",
            "Wait for them in the loop, or give the loop an end.",
        )

    # -- what programs record -------------------------------------------------------------------------------------

    def add(self, effect: Effect) -> None:
        """Records an effect; the user's own rule that allows a command excuses it, but for what is built in."""
        if self.found.excused and effect.rule is not Rule.SELF_PROTECTION and effect.action is not Action.DENY:
            return
        self.found.effects.setdefault(effect)

    def by_rule(self, rule: Rule, reason: str, instead: str) -> None:
        """Records an effect whose action the policies say."""
        self.add(Effect(rule=rule, reason=reason, instead=instead))

    def prompt(self, rule: Rule, reason: str, instead: str = ASK) -> None:
        """Records an effect that a person is asked about."""
        self.add(Effect(rule=rule, reason=reason, instead=instead, action=Action.PROMPT))

    def deny(self, rule: Rule, reason: str, instead: str = ASK) -> None:
        """Records an effect that is never allowed."""
        self.add(Effect(rule=rule, reason=reason, instead=instead, action=Action.DENY))

    def secret_sent(self, secret: str, receiver: str) -> None:
        """Records that a secret leaves the machine."""
        self.prompt(Rule.SECRETS, f"sends {secret} to {receiver}", "Do not send secrets; ask the user to do it.")

    # -- files ----------------------------------------------------------------------------------------------------

    def fresh(self, shell: Shell) -> str:
        """Returns the path of a new temporary file or folder."""
        self._fresh += 1
        path = f"{_FRESH}{self._fresh}"
        shell.files.made.add(path)
        return path

    def real(self, path: str, shell: Shell) -> str:
        """Returns where a path leads, through the links of the script and those on disk.

        Raises:
            TooComplex: The script names too many paths.
        """
        shell.step()
        for link, target in shell.files.links.items():
            if path == link or path.startswith(link + "/"):
                path = posixpath.normpath(target + path[len(link) :])
        if UNKNOWN in path or "\0" in path or len(path) > 4000 or path.startswith(("/dev/fd/", "/dev/std")):
            return path  # the descriptors of this process say nothing about those of the command
        return os.path.realpath(path)

    def was_made(self, path: str, shell: Shell) -> bool:
        """The script itself has made the file, or a folder above it."""
        made = shell.files.made
        return path in made or any(path.startswith(each.rstrip("/") + "/") for each in made)

    def writes(self, target: Word, shell: Shell, verb: str, *, content: bool = True) -> None:
        """Records that a file is changed: written, moved, linked or made.

        Args:
            content: what is in the file, or its name, may be lost; else a file that is not known is no reason to ask.
        """
        if shell.state.remote:
            if self.around.protected.match(target.text):
                self._protected(target.text, verb)
            return
        path = shell.path(target.text)
        if path is None or UNKNOWN in path:
            self._writes_partly_known(path or target.text.removeprefix("./"), verb, asks=content)
            return
        for each in {path, self.real(path, shell)}:
            self._writes_at(each, target, verb)

    def _writes_partly_known(self, path: str, verb: str, *, asks: bool) -> None:
        """Records a change of a file of which only a part of the path is known: the end of its name decides."""
        shown = self.around.places.relative(path)
        end = posixpath.basename(path).rpartition(UNKNOWN)[2]
        ended = UNKNOWN in posixpath.basename(path) and "." in end
        if self.around.protected.match(shown) or (ended and any(map(self.around.protected.match, (end, f"x{end}")))):
            self._protected(shown.replace(UNKNOWN, "…"), verb)
        elif asks and not ended and UNKNOWN in posixpath.basename(path) and not self._in_temporary(path):
            self.undecided(f"{verb} a file whose name is not known")

    def _in_temporary(self, path: str) -> bool:
        return self.around.places.temporary(path.partition(UNKNOWN)[0])

    def _writes_at(self, path: str, target: Word, verb: str) -> None:
        places = self.around.places
        shown = places.relative(path)
        if target.glob:
            control = next((each for each in self.fitting(path) if places.controls_agents(each)), None)
            if control is not None:
                self._writes_at(control, Word(control), verb)
            if self.around.protected.match(posixpath.dirname(shown)) or self.around.protected.may_match(shown):
                self._protected(shown, verb)
            return
        if self.around.protected.match(shown):
            self._protected(shown, verb)
        if places.controls_agents(path):
            self.prompt(
                Rule.SELF_PROTECTION,
                f"{verb} {shown}, which controls agents or starts commands later",
                "Leave the settings, hooks and start files as they are; ask the user to change them.",
            )
        elif places.of_system(path):
            self.system_write(path, verb)
        elif self.around.isolated and self._escapes(path):
            self.prompt(
                Rule.WORKTREE_ESCAPE,
                f"{verb} {path}, outside the worktree of this task",
                f"Work inside {places.workspace}.",
            )

    def _escapes(self, path: str) -> bool:
        places = self.around.places
        return not (
            places.inside(path) or places.temporary(path) or path == places.workspace or path.startswith("/dev/")
        )

    def system_write(self, path: str, verb: str) -> None:
        """Records that a file of the system is changed; of a disk, everything is lost."""
        if path.startswith("/dev/"):
            self.deny(Rule.SYSTEM_DAMAGE, f"{verb} the device {path}", "Do not write to devices.")
        else:
            self.prompt(Rule.SYSTEM_DAMAGE, f"{verb} {path}, a file of the system", ASK)

    def _protected(self, shown: str, verb: str) -> None:
        self.by_rule(
            Rule.PROTECTED_PATHS,
            f"{verb} {shown}, a protected path",
            "Leave protected files as they are; ask the user for the change. An example file may be enough.",
        )

    def empties(self, target: Word, shell: Shell) -> None:
        """Records that a file loses its content."""
        if shell.state.remote:
            return
        path = shell.path(target.text)
        places = self.around.places
        is_device = path is not None and path.startswith("/dev/") and not places.temporary(path)  # /dev/shm has files
        if path is not None and (is_device or self.was_made(path, shell)):
            return
        shown = places.relative(path) if path else target.text
        self.by_rule(
            Rule.TRUNCATE,
            f"empties {shown.replace(UNKNOWN, '…')}",
            "Write the new content in one step, or edit the lines that should change.",
        )

    def content(self, target: Word, shell: Shell) -> Stream:
        """Returns what a file holds: what the script wrote, or what is on disk if it is small text."""
        path = shell.path(target.text)
        if path is None or UNKNOWN in path or target.glob:
            return Stream(None, target.text if is_secret(target.text) else self._secret_among(path, target))
        if path == "/dev/null":
            return EMPTY
        if path in {"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"}:
            return shell.state.input
        path = self.real(path, shell) if path not in shell.files.content else path
        if path in shell.files.content:
            return shell.files.content[path]
        if is_secret(path):
            return Stream(None, self.around.places.relative(path))
        return Stream(self._on_disk(path)) if self.around.reads_files and not shell.state.remote else NOT_KNOWN

    def _secret_among(self, path: str | None, target: Word) -> str | None:
        """Returns a secret among the files on disk that a pattern at the end of a path fits."""
        fitting = self.fitting(path) if path is not None and target.glob else ()
        return next((self.around.places.relative(each) for each in fitting if is_secret(each)), None)

    def fitting(self, pattern: str) -> Iterator[str]:
        """Yields the files on disk that a pattern in the last part of a path fits, up to a limit."""
        folder, last = posixpath.split(pattern)
        for path in self.files_below(folder, deep=False) if UNKNOWN not in folder else ():
            if fnmatch.fnmatchcase(posixpath.basename(path), last):
                yield path

    def files_below(self, folder: str, *, deep: bool = True) -> Iterator[str]:
        """Yields the files on disk in a folder, up to a limit; the folder of git is left out.

        Args:
            deep: in those below it, too; else the names of these are given.
        """
        if "\0" in folder or len(folder) > 4000:  # no disk has that
            return
        left = MAX_FILES if self.around.reads_files else 0
        for parent, folders, names in os.walk(folder):
            listed = names if deep else [*folders, *names]
            folders[:] = [name for name in folders if deep and name != ".git"]
            for name in listed[:left]:
                yield posixpath.join(parent, name)
            left -= len(listed) + len(folders)
            if left <= 0:
                return

    def _on_disk(self, path: str) -> str | None:
        """Returns the text of a regular file; None if there is none, it is large, or it is not text."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except (OSError, ValueError):
            return None
        try:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            content = os.read(descriptor, MAX_READ + 1) if regular else b"\0"
        except OSError:
            return None
        finally:
            os.close(descriptor)
        if len(content) > MAX_READ or b"\0" in content:
            return None
        return content.decode("utf-8", "replace")

    def taint(self, words: Iterable[Word]) -> str | None:
        """Returns the words for a secret that is in an argument."""
        return "a secret" if any(TAINT in word.text for word in words) else None
