"""YAML policies turned into typed decisions for running coding agents.

The sections of policies.yaml are in `aurora_policies.schema`, the ledger in `aurora_policies.budget`.

Names are imported when they are first used: whoever needs one part of the package does not load the others.
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

_HOMES: Final = {
    "Action": "schema",
    "BudgetStoreError": "errors",
    "CapExceeded": "caps",
    "Caps": "schema",
    "HardLimitAction": "schema",
    "Loosening": "strictness",
    "Operation": "operations",
    "OperationType": "operations",
    "Policies": "schema",
    "PoliciesEngine": "engine",
    "PoliciesError": "errors",
    "PolicyFileError": "errors",
    "PolicyResult": "operations",
    "Problem": "errors",
    "RecoveryConfig": "engine",
    "check_caps": "caps",
    "default_policies_yaml": "engine",
    "depth_of": "caps",
}
"""The module of each name of `__all__`."""


def __getattr__(name: str) -> object:
    """Imports a name of `__all__` from its module, and the others of that module with it.

    Raises:
        AttributeError: the package has no such name.
    """
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{home}")
    globals().update({each: getattr(module, each) for each, its in _HOMES.items() if its == home})
    return globals()[name]


def __dir__() -> list[str]:
    return __all__
