"""Personas: found in the folders of many tools, read tolerantly, matched with what is to be done."""

from aurora_soar.personas.manifest import load_roster
from aurora_soar.personas.persona import Category, Persona, PersonaProblem, Scope
from aurora_soar.personas.read import Reading, parse_persona
from aurora_soar.personas.roster import Roster

__all__ = ["Category", "Persona", "PersonaProblem", "Reading", "Roster", "Scope", "load_roster", "parse_persona"]
