"""Containers and clusters: what runs in them, what they are given of this machine, what they lose."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_policies.effects import Rule
from aurora_policies.programs.arguments import arguments
from aurora_policies.programs.shells import run_inner
from aurora_policies.shell.stream import NOT_KNOWN, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aurora_policies.programs.judge import Call
    from aurora_policies.shell.words import Word

__all__ = ["PROGRAMS"]

_CONTAINER_VALUED: Final = frozenset(
    [
        "-v",
        "--volume",
        "-e",
        "--env",
        "--env-file",
        "-w",
        "--workdir",
        "-u",
        "--user",
        "-p",
        "--publish",
        "--name",
        "--network",
        "--net",
        "-h",
        "--hostname",
        "--entrypoint",
        "-l",
        "--label",
        "--mount",
        "--memory",
        "-m",
        "--cpus",
        "--restart",
        "--platform",
        "--add-host",
        "--device",
        "--cap-add",
        "--cap-drop",
        "--security-opt",
        "--pid",
        "--ipc",
        "--uts",
        "-a",
        "--gpus",
        "--log-driver",
        "--tmpfs",
        "--ulimit",
        "--shm-size",
        "--dns",
        "--link",
        "--volumes-from",
        "--userns",
        "--pull",
        "-f",
        "--file",
        "--project-name",
        "--profile",
        "--project-directory",
        "--index",
        "-c",
        "--context",
        "-H",
        "--host",
        "--log-level",
        "-n",
        "--namespace",
        "--container",
        "--kubeconfig",
        "--cluster",
        "--image",
        "--overrides",
    ]
)
_CLUSTER_VALUED: Final = _CONTAINER_VALUED | {"-o", "-l", "--selector", "--grace-period", "--timeout"}
_LOSES_VOLUMES: Final = re.compile(
    r"^(system prune|volume (rm|remove|prune)|swarm leave|stack (rm|down)|machine (rm|reset)|pod rm)\b"
)
_DANGEROUS_MOUNTS: Final = re.compile(
    r"^(/|/etc|/usr|/var|/home|/root|/boot|/dev|/proc|/sys|/var/run/docker\.sock|/run/docker\.sock|/Users|~)$"
)


def _docker(call: Call) -> Stream:
    given = arguments(call.words, valued=_CONTAINER_VALUED, stop_at_operand=True)
    words = list(given.operands)
    if words and words[0].text in {"compose", "container", "stack", "buildx"}:
        inner = arguments(words[1:], valued=_CONTAINER_VALUED, stop_at_operand=True)
        if words[0].text == "compose" or (inner.operands[:1] and inner.operands[0].text in {"exec", "run"}):
            return _compose(call, list(inner.operands))
    if not words:
        return NOT_KNOWN
    text = " ".join(word.text for word in words)
    if _LOSES_VOLUMES.search(text) and "--help" not in text:
        call.judge.prompt(
            Rule.DATA_LOSS,
            f"deletes what containers have stored: docker {text[:40]}",
            "Name the containers; keep the volumes.",
        )
    if words[0].text in {"exec", "run", "create"}:
        return _container(call, words)
    if words[0].text == "rm" or [word.text for word in words[:2]] == ["container", "rm"]:
        _remove(call, words)
    if words[0].text == "cp" and len(words) > 2 and ":" not in words[-1].text:
        call.judge.writes(words[-1], call.shell, "writes")
    return NOT_KNOWN


def _remove(call: Call, words: list[Word]) -> None:
    """Containers that are not named may be all of them, and what runs in them ends."""
    given = arguments(words[1:])
    if given.has("-v", "--volumes") or (given.has("-f", "--force") and given.unclear):
        call.judge.prompt(
            Rule.DATA_LOSS,
            "deletes containers that are not named, or their volumes",
            "Name the containers, without -v.",
        )


def _compose(call: Call, words: list[Word]) -> Stream:
    if not words:
        return NOT_KNOWN
    texts = [word.text for word in words]
    if (words[0].text == "down" and {"-v", "--volumes"} & set(texts)) or (
        words[0].text == "rm" and any(re.fullmatch(r"-\w*v\w*|--volumes", text) for text in texts)
    ):
        call.judge.prompt(
            Rule.DATA_LOSS, "deletes the volumes of the containers", "Leave out -v, so that the volumes stay."
        )
    return _container(call, words) if words[0].text in {"exec", "run"} else NOT_KNOWN


def _container(call: Call, words: list[Word]) -> Stream:
    given = arguments(words[1:], valued=_CONTAINER_VALUED, stop_at_operand=True)
    for value in (*given.values("-v", "--volume"), *given.values("--mount")):
        source = (
            re.sub(r"^.*?(?:source|src)=([^,]*).*$", r"\1", value.text)
            if "source=" in value.text or "src=" in value.text
            else value.text
        )
        source = source.partition(":")[0]
        path = call.shell.path(source) or source
        if _DANGEROUS_MOUNTS.match(path) or path == call.shell.home:
            call.judge.prompt(
                Rule.SYSTEM_DAMAGE, f"gives a container {path} of this machine", "Mount a folder of the workspace."
            )
    if given.has("--privileged"):
        call.judge.prompt(
            Rule.SYSTEM_DAMAGE, "gives a container all rights on this machine", "Leave out --privileged."
        )
    command = list(given.operands[1:])
    command = [*given.values("--entrypoint"), *command]
    return run_inner(call, command, remote=True) if command else NOT_KNOWN


def _kubectl(call: Call) -> Stream:
    given = arguments(call.words, valued=_CLUSTER_VALUED, stop_at_operand=True)
    words = list(given.operands)
    texts = [word.text for word in words]
    name = texts[0] if texts else ""
    if {"--dry-run=client", "--dry-run=server", "--dry-run"} & set(call.texts()):
        return NOT_KNOWN
    if name == "delete" and not _one_pod(words):
        call.judge.prompt(
            Rule.DATA_LOSS, "deletes resources of a cluster", "Show what would be deleted, and leave it to the user."
        )
    elif name == "get" and texts[1:2] and re.match(r"secrets?(/|,|$)", texts[1]) and _shows_data(call):
        return Stream(None, "secrets of the cluster")
    elif name in {"drain", "replace"} and ("--force" in texts or name == "drain"):
        call.judge.prompt(Rule.DATA_LOSS, "removes what runs in a cluster", "Leave it to the user.")
    elif name in {"exec", "run", "debug"}:
        rest = call.texts()
        if "--" in rest:
            return run_inner(call, call.words[rest.index("--") + 1 :], remote=True)
    return NOT_KNOWN


def _shows_data(call: Call) -> bool:
    return any(re.match(r"-o=?.*(yaml|json|template)|--output|yaml|json", text) for text in call.texts())


def _one_pod(words: Sequence[Word]) -> bool:
    """A pod that is named is started again by what owns it."""
    rest = [word.text for word in arguments(words[1:], valued=_CLUSTER_VALUED).operands]
    named = (len(rest) == 2 and rest[0] in {"pod", "pods", "po"}) or (len(rest) == 1 and rest[0].startswith("pod/"))
    return named and not {"--all", "-A", "--all-namespaces", "-l", "--selector", "--force"} & {
        word.text for word in words
    }


PROGRAMS: Final[Mapping[str, Callable[[Call], Stream]]] = {
    "docker": _docker,
    "podman": _docker,
    "nerdctl": _docker,
    "docker-compose": lambda call: _compose(
        call, list(arguments(call.words, valued=_CONTAINER_VALUED, stop_at_operand=True).operands)
    ),
    "kubectl": _kubectl,
    "oc": _kubectl,
    "k": _kubectl,
}
