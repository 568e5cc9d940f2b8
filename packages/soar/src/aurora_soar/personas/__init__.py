"""Personas: found in the agent folders of many tools, read tolerantly, and matched with tasks."""

from aurora_soar.personas.adhoc import adhoc_persona
from aurora_soar.personas.assignment import cast, instructions_of, persona_in, with_reviewer
from aurora_soar.personas.manifest import CACHE_NAME, load_roster
from aurora_soar.personas.match import Match, Matcher, Ranked
from aurora_soar.personas.persona import Category, Persona, PersonaProblem, Scope
from aurora_soar.personas.read import Reading, parse_persona
from aurora_soar.personas.roster import Roster

__all__ = [
    "CACHE_NAME",
    "Category",
    "Match",
    "Matcher",
    "Persona",
    "PersonaProblem",
    "Ranked",
    "Reading",
    "Roster",
    "Scope",
    "adhoc_persona",
    "cast",
    "instructions_of",
    "load_roster",
    "parse_persona",
    "persona_in",
    "with_reviewer",
]
