"""Python programs that send the environment, or a file of keys, over the network."""

from __future__ import annotations

import ast
from typing import Final

from aurora_policies.places import is_secret

__all__ = ["sent_secret"]

_NETWORK: Final = frozenset({"requests", "httpx", "urllib", "http", "socket", "aiohttp", "smtplib", "ftplib"})
_SENDS: Final = frozenset({"urlopen", "post", "put", "patch", "request", "send", "sendall", "sendmail", "storbinary"})


def sent_secret(tree: ast.Module) -> str | None:
    """Returns what a program may send that must stay here; None if it sends nothing or has no such thing."""
    nodes = list(ast.walk(tree))
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.id for node in nodes if isinstance(node, ast.Name)}
    if not (_SENDS & names and _NETWORK & {each.partition(".")[0] for each in modules}):
        return None
    single = {id(node.value) for node in nodes if isinstance(node, ast.Subscript | ast.Attribute)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr == "environ" and id(node) not in single:
            return "the environment"
        if isinstance(node, ast.Constant) and _names_secret(node.value):
            return str(node.value)[:60]
    return None


def _names_secret(value: object) -> bool:
    """Tells whether a constant names a file of keys; a plain word may be the name of a field."""
    return isinstance(value, str) and ("/" in value or value.startswith(".")) and is_secret(value)
