"""From a question to a verified answer: assess, retrieve, decompose, verify, collect, synthesize, record, respond."""

from aurora_soar.errors import AgentOutputError, EmptyQuestionError, ModelAnswerError, SoarError
from aurora_soar.log.execution import Phase, Verbosity
from aurora_soar.models.language_model import AgentModel, LanguageModel, Said
from aurora_soar.orchestrator import SOAROrchestrator
from aurora_soar.phases.assess import Assessment, Complexity, assess
from aurora_soar.phases.respond import render
from aurora_soar.phases.synthesize import Source
from aurora_soar.question.question import Intent, Question, read_question
from aurora_soar.registry import Agent, AgentRegistry
from aurora_soar.result import SoarEvent, SoarResult

__all__ = [
    "Agent",
    "AgentModel",
    "AgentOutputError",
    "AgentRegistry",
    "Assessment",
    "Complexity",
    "EmptyQuestionError",
    "Intent",
    "LanguageModel",
    "ModelAnswerError",
    "Phase",
    "Question",
    "SOAROrchestrator",
    "Said",
    "SoarError",
    "SoarEvent",
    "SoarResult",
    "Source",
    "Verbosity",
    "assess",
    "read_question",
    "render",
]
