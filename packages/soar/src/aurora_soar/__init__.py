"""One project as one object, and the way from a question to a verified answer.

Names are imported when they are first used: a program that only searches the memory starts without the spawner.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aurora_soar.adapted_memory import make_hit
    from aurora_soar.aurora.root import Aurora
    from aurora_soar.errors import (
        AgentOutputError,
        EmptyQuestionError,
        IncludeDirtyError,
        LogFileError,
        ModelAnswerError,
        NoProjectError,
        NoSessionError,
        NotReplannableError,
        NotResumableError,
        OverLimitError,
        PlanFileError,
        ReplannedBeforeError,
        SessionIdError,
        SoarError,
        SpecFolderError,
        StartLockError,
        StoredLimitError,
        TaskFileChangedError,
        TaskFileInUseError,
        UnknownAgentError,
        UnknownPlanError,
        UntrustedAgentError,
    )
    from aurora_soar.memory_port import SearchedMemory, SoarMemory
    from aurora_soar.models.language_model import AgentModel, Completion, LanguageModel
    from aurora_soar.notices import Notice
    from aurora_soar.orchestrator import SOAROrchestrator
    from aurora_soar.phases.assess import Assessment, Complexity, assess
    from aurora_soar.phases.synthesize import Source
    from aurora_soar.plans.estimate import ExecutionPreview
    from aurora_soar.plans.plan import AgentGap, GoalPlan, ReviewDecision
    from aurora_soar.plans.review import DecompositionReview
    from aurora_soar.plans.store import PlanStore, StoredPlan
    from aurora_soar.question.question import Intent, Question, read_question
    from aurora_soar.registry import Agent, AgentRegistry
    from aurora_soar.replanning.record import RunReplan
    from aurora_soar.report.execution import Phase, Verbosity
    from aurora_soar.report.respond import render
    from aurora_soar.report.result import SoarEvent, SoarResult
    from aurora_soar.taskruns.execute import TaskRunResult
    from aurora_soar.taskruns.isolation import WantedIsolation
    from aurora_soar.taskruns.plan import SpawnPlan

__all__ = [
    "Agent",
    "AgentGap",
    "AgentModel",
    "AgentOutputError",
    "AgentRegistry",
    "Assessment",
    "Aurora",
    "Completion",
    "Complexity",
    "DecompositionReview",
    "EmptyQuestionError",
    "ExecutionPreview",
    "GoalPlan",
    "IncludeDirtyError",
    "Intent",
    "LanguageModel",
    "LogFileError",
    "ModelAnswerError",
    "NoProjectError",
    "NoSessionError",
    "NotReplannableError",
    "NotResumableError",
    "Notice",
    "OverLimitError",
    "Phase",
    "PlanFileError",
    "PlanStore",
    "Question",
    "ReplannedBeforeError",
    "ReviewDecision",
    "RunReplan",
    "SOAROrchestrator",
    "SearchedMemory",
    "SessionIdError",
    "SoarError",
    "SoarEvent",
    "SoarMemory",
    "SoarResult",
    "Source",
    "SpawnPlan",
    "SpecFolderError",
    "StartLockError",
    "StoredLimitError",
    "StoredPlan",
    "TaskFileChangedError",
    "TaskFileInUseError",
    "TaskRunResult",
    "UnknownAgentError",
    "UnknownPlanError",
    "UntrustedAgentError",
    "Verbosity",
    "WantedIsolation",
    "assess",
    "make_hit",
    "read_question",
    "render",
]

_MODULES: Final = {
    "adapted_memory": ("make_hit",),
    "memory_port": ("SearchedMemory", "SoarMemory"),
    "aurora.root": ("Aurora",),
    "errors": tuple(name for name in __all__ if name.endswith("Error")),
    "report.execution": ("Phase", "Verbosity"),
    "models.language_model": ("AgentModel", "LanguageModel", "Completion"),
    "notices": ("Notice",),
    "orchestrator": ("SOAROrchestrator",),
    "phases.assess": ("Assessment", "Complexity", "assess"),
    "report.respond": ("render",),
    "phases.synthesize": ("Source",),
    "plans.estimate": ("ExecutionPreview",),
    "plans.plan": ("AgentGap", "GoalPlan", "ReviewDecision"),
    "plans.review": ("DecompositionReview",),
    "plans.store": ("PlanStore", "StoredPlan"),
    "question.question": ("Intent", "Question", "read_question"),
    "registry": ("Agent", "AgentRegistry"),
    "replanning.record": ("RunReplan",),
    "report.result": ("SoarEvent", "SoarResult"),
    "taskruns.execute": ("TaskRunResult",),
    "taskruns.isolation": ("WantedIsolation",),
    "taskruns.plan": ("SpawnPlan",),
}
_HOMES: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Imports a name of `__all__` from its module.

    Raises:
        AttributeError: the package has no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Returns all names that the package promises."""
    return sorted({*globals(), *__all__})
