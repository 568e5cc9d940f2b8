"""The branches that are protected: by a pattern of `safety.protected_branches`, or as the default of the remote."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

__all__ = ["ProtectedBranches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedBranches:
    """The protected branches of one repository; what pushes and merges mean by the word.

    Attributes:
        patterns: names in which `*` stands for any characters, slashes included.
        default: the default branch of the remote; None if it is not known.
    """

    patterns: tuple[str, ...]
    default: str | None = None

    def __contains__(self, name: object) -> bool:
        return name == self.default or any(fnmatchcase(str(name), pattern) for pattern in self.patterns)

    def may_hold(self, name: str) -> bool:
        """Returns True if one of the branches that a refspec such as `release/*` stands for may be protected."""
        if "*" not in name:
            return name in self
        start = name.partition("*")[0]
        known = (*self.patterns, *([self.default] if self.default else ()))
        return any(
            each.startswith(start) or ("*" in each and start.startswith(each.partition("*")[0])) for each in known
        )
