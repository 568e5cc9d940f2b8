"""YAML policies turned into typed decisions for running coding agents.

The sections of policies.yaml are in `aurora_policies.schema`, the ledger in `aurora_policies.budget`.
Names are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aurora_policies.caps import CapExceeded, check_caps, depth_of
    from aurora_policies.engine import PoliciesEngine, RecoveryConfig, default_policies_yaml
    from aurora_policies.errors import BudgetStoreError, PoliciesError, PolicyFileError, Problem
    from aurora_policies.operations import Operation, OperationType, PolicyResult
    from aurora_policies.schema import Action, Caps, HardLimitAction, Policies
    from aurora_policies.strictness import Loosening

__all__ = [
    "Action",
    "BudgetStoreError",
    "CapExceeded",
    "Caps",
    "HardLimitAction",
    "Loosening",
    "Operation",
    "OperationType",
    "Policies",
    "PoliciesEngine",
    "PoliciesError",
    "PolicyFileError",
    "PolicyResult",
    "Problem",
    "RecoveryConfig",
    "check_caps",
    "default_policies_yaml",
    "depth_of",
]

_MODULES: Final = {
    "caps": ("CapExceeded", "check_caps", "depth_of"),
    "engine": ("PoliciesEngine", "RecoveryConfig", "default_policies_yaml"),
    "errors": ("BudgetStoreError", "PoliciesError", "PolicyFileError", "Problem"),
    "operations": ("Operation", "OperationType", "PolicyResult"),
    "schema": ("Action", "Caps", "HardLimitAction", "Policies"),
    "strictness": ("Loosening",),
}
_HOMES: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Imports a name of `__all__` from its module.

    Raises:
        AttributeError: The package has no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Returns all names that the package promises."""
    return sorted({*globals(), *__all__})
