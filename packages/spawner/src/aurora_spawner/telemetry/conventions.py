"""Names of the GenAI semantic conventions, which are still in development: the version used here, and the one before.

Source: OpenTelemetry semantic conventions 1.44.0 (attributes `gen_ai.*`, metrics `gen_ai.client.*`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SCHEMA_URL", "provider_attribute", "provider_of", "takes_latest"]

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
OPT_IN: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
LATEST: Final = "gen_ai_latest_experimental"
_PROVIDERS: Final = {"google": "gcp.gemini"}
"""Providers that the conventions call by another name."""
_KNOWN: Final = frozenset({"anthropic", "openai", "gcp.gemini"})


def takes_latest(environ: Mapping[str, str]) -> bool:
    """Returns True if the user opts in to the newest names; without it `gen_ai.system` is sent, as up to 1.36.0."""
    return LATEST in (value.strip() for value in environ.get(OPT_IN, "").split(","))


def provider_attribute(*, latest: bool) -> str:
    """Returns the name of the attribute for a model's provider."""
    return "gen_ai.provider.name" if latest else "gen_ai.system"


def provider_of(agent: str) -> str | None:
    """Returns the provider behind one of the agent CLIs; None if it is not known by the agent's name."""
    profile = PROFILES.get(agent)
    if profile is None or profile.provider_in_model:
        return None
    named = _PROVIDERS.get(profile.provider, profile.provider)
    return named if named in _KNOWN else None
