"""All commands of `aur` with their lines of help, without importing a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "AGENTS",
    "AUDIT",
    "BUDGET",
    "CATALOGUE",
    "CHECKPOINT",
    "COMM",
    "CONFIG",
    "KEYS",
    "MCP",
    "MEM",
    "PLAN",
    "POLICIES",
    "RUNS",
    "SEMANTIC",
    "WORKERS",
    "WORKER_DATABASE",
    "WORKER_TOKENS",
    "WORKSPACES",
    "WORKTREES",
    "Entry",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A command of the catalogue.

    Attributes:
        name: the word typed after the group's name.
        module: module in aurora_cli.commands; its attribute `command` is the click command.
        summary: its line in the group's help.
        section: the heading above it in the group's help.
        entries: the commands of a group.
        destroys: it ends or removes something; never suggested for a word that is not nearly its name.
    """

    name: str
    module: str
    summary: str
    section: str = "Commands"
    entries: tuple[Entry, ...] = ()
    destroys: bool = False


SEMANTIC: Final[tuple[Entry, ...]] = (
    Entry(name="on", module="mem.semantic.on", summary="Search this project by meaning too."),
    Entry(name="off", module="mem.semantic.off", summary="Search this project by words alone."),
    Entry(name="status", module="mem.semantic.status", summary="Show whether search by meaning is on."),
)

MEM: Final[tuple[Entry, ...]] = (
    Entry(name="index", module="mem.index", summary="Bring the index up to date with the files."),
    Entry(name="search", module="mem.search", summary="Search code, documents and earlier answers."),
    Entry(name="show", module="mem.show", summary="Show a definition by its name or place, and its callers."),
    Entry(name="graph", module="mem.graph", summary="Show what a file is tied to."),
    Entry(name="stats", module="mem.stats", summary="Show what is indexed and what is left out."),
    Entry(name="watch", module="mem.watch", summary="Index the project, and keep the index current."),
    Entry(name="lessons", module="mem.lessons", summary="List what was learned from work that had to be corrected."),
    Entry(name="forget", module="mem.forget", summary="Forget earlier answers, or lessons.", destroys=True),
    Entry(name="rebuild", module="mem.rebuild", summary="Rebuild the memory from the files.", destroys=True),
    Entry(name="semantic", module="mem.semantic", summary="Turn search by meaning on or off.", entries=SEMANTIC),
)

PLAN: Final[tuple[Entry, ...]] = (
    Entry(name="list", module="plan.list", summary="List plans, and how much of each is done."),
    Entry(name="show", module="plan.show", summary="Show a plan."),
    Entry(name="archive", module="plan.archive", summary="Move a plan into the archive."),
    Entry(name="replan", module="plan.replan", summary="Plan anew what a failed run has left."),
)

RUNS: Final[tuple[Entry, ...]] = (
    Entry(name="list", module="runs.list", summary="List runs, newest first."),
    Entry(name="show", module="runs.show", summary="Show a run and the results of its tasks."),
    Entry(name="result", module="runs.result", summary="Print the result of a finished task."),
    Entry(name="diff", module="runs.diff", summary="Compare two runs task by task."),
    Entry(name="replay", module="runs.replay", summary="Make a run's decisions again, or ask what if."),
    Entry(name="trace", module="runs.trace", summary="Send a run as an OpenTelemetry trace."),
    Entry(name="clean", module="runs.clean", summary="Delete the data of old runs.", destroys=True),
)

CHECKPOINT: Final[tuple[Entry, ...]] = (
    Entry(name="export", module="checkpoint.export", summary="Export a run to a JSON file."),
)

COMM: Final[tuple[Entry, ...]] = (
    Entry(name="show", module="comm.show", summary="Show the board of a run, the oldest post first."),
    Entry(name="send", module="comm.send", summary="Post on the board of a run."),
)

AGENTS: Final[tuple[Entry, ...]] = (
    Entry(name="list", module="agents.list", summary="List the personas that tasks can name."),
    Entry(name="show", module="agents.show", summary="Show a persona."),
    Entry(name="search", module="agents.search", summary="Find the persona for a task."),
    Entry(name="refresh", module="agents.refresh", summary="Read all personas again, without the cache."),
    Entry(name="doctor", module="agents.doctor", summary="Check the installed agents."),
    Entry(name="stats", module="agents.stats", summary="Show what each agent has achieved in this project."),
)

AUDIT: Final[tuple[Entry, ...]] = (
    Entry(name="verify", module="audit.verify", summary="Verify that the journal, or an export, was not changed."),
    Entry(name="export", module="audit.export", summary="Print the journal's events as JSON Lines."),
)

BUDGET: Final[tuple[Entry, ...]] = (
    Entry(name="show", module="budget.show", summary="Show this month's cost and what is left."),
    Entry(name="set", module="budget.set", summary="Set limits for all your projects."),
    Entry(name="reset", module="budget.reset", summary="Reset this month's cost to zero.", destroys=True),
    Entry(name="history", module="budget.history", summary="List the cost of attempts, newest first."),
)

POLICIES: Final[tuple[Entry, ...]] = (
    Entry(name="init", module="policies.init", summary="Write .aurora/policies.yaml with all defaults, explained."),
    Entry(name="show", module="policies.show", summary="Show the policies in force."),
    Entry(name="check", module="policies.check", summary="Show what the policies say to a command."),
    Entry(name="test", module="policies.test", summary="Test the policies with a table of examples."),
    Entry(
        name="rehearse",
        module="policies.rehearse",
        summary="Try policies on the tool calls and the work of earlier runs.",
    ),
    Entry(
        name="grants",
        module="policies.grants",
        summary="List what was approved for a whole run, or revoke it.",
    ),
)

WORKTREES: Final[tuple[Entry, ...]] = (
    Entry(
        name="list",
        module="worktrees.list",
        summary="List the worktrees of all runs.",
    ),
    Entry(
        name="clean",
        module="worktrees.clean",
        summary="Remove worktrees whose work is merged or discarded.",
        destroys=True,
    ),
)

WORKER_TOKENS: Final[tuple[Entry, ...]] = (
    Entry(name="add", module="worker.token.add", summary="Make a token for a worker."),
    Entry(name="list", module="worker.token.list", summary="List tokens, and workers that were refused."),
    Entry(name="revoke", module="worker.token.revoke", summary="Revoke the tokens of a worker.", destroys=True),
)

WORKER_DATABASE: Final[tuple[Entry, ...]] = (
    Entry(name="init", module="worker.database.init", summary="Make the tables and the roles."),
    Entry(name="roles", module="worker.database.roles", summary="Show the roles, and the logins that have them."),
)

WORKERS: Final[tuple[Entry, ...]] = (
    Entry(name="list", module="worker.list", summary="List the workers of all pools."),
    Entry(name="limit", module="worker.limit", summary="Limit the attempts of a pool that run at once."),
    Entry(name="budget", module="worker.budget", summary="Show or set the budget that all runs on a pool share."),
    Entry(name="advise", module="worker.advise", summary="Say how many workers a pool should have."),
    Entry(name="ssh", module="worker.ssh", summary="Serve one coordinator over ssh."),
    Entry(name="drain", module="worker.drain", summary="Let a worker finish its attempts and end."),
    Entry(
        name="remove",
        module="worker.remove",
        summary="Remove a worker that is gone from the list.",
        destroys=True,
    ),
    Entry(
        name="token",
        module="worker.token",
        summary="Make, list and revoke the tokens of workers.",
        entries=WORKER_TOKENS,
    ),
    Entry(
        name="database",
        module="worker.database",
        summary="Set up the database of pools, and show its roles.",
        entries=WORKER_DATABASE,
    ),
)

WORKSPACES: Final[tuple[Entry, ...]] = (
    Entry(name="add", module="workspace.add", summary="Add a project to the workspaces."),
    Entry(name="list", module="workspace.list", summary="List the workspaces."),
    Entry(name="status", module="workspace.status", summary="Show what is at work in each workspace."),
    Entry(
        name="remove",
        module="workspace.remove",
        summary="Forget a workspace; nothing is deleted, and its runs go on.",
        destroys=True,
    ),
)

KEYS: Final[tuple[Entry, ...]] = (
    Entry(name="set", module="keys.set", summary="Store a key in the system's keyring."),
    Entry(name="list", module="keys.list", summary="Show where each key comes from, never the key."),
    Entry(name="remove", module="keys.remove", summary="Remove a key from the system's keyring.", destroys=True),
)

CONFIG: Final[tuple[Entry, ...]] = (
    Entry(name="get", module="config.get", summary="Show the value of a setting."),
    Entry(name="set", module="config.set", summary="Change a setting in the configuration file."),
    Entry(name="list", module="config.list", summary="List every setting with its value and origin."),
    Entry(name="path", module="config.path", summary="Show the files that settings are read from."),
)

MCP: Final[tuple[Entry, ...]] = (
    Entry(name="serve", module="mcp.serve", summary="Serve this project to an MCP client."),
    Entry(
        name="agent",
        module="mcp.agent",
        summary="Serve an agent of a run: board, memory, questions.",
    ),
    Entry(name="install", module="mcp.install", summary="Add Aurora to the configuration of an MCP client."),
)

CATALOGUE: Final[tuple[Entry, ...]] = (
    Entry(
        name="soar",
        module="soar",
        summary="Answer a question from the project, with sources.",
        section="Ask and work",
    ),
    Entry(
        name="goals",
        module="goals",
        summary="Plan a goal, and keep the plan as tasks.",
        section="Ask and work",
    ),
    Entry(
        name="plan",
        module="plan",
        summary="List, show and archive plans; plan a run's rest anew.",
        section="Ask and work",
        entries=PLAN,
    ),
    Entry(
        name="spawn",
        module="spawn",
        summary="Run the tasks of a task file concurrently.",
        section="Ask and work",
    ),
    Entry(
        name="exec",
        module="exec",
        summary="Give one task to one agent.",
        section="Ask and work",
    ),
    Entry(
        name="interact",
        module="interact",
        summary="Talk with an agent, for as many turns as it takes.",
        section="Ask and work",
    ),
    Entry(
        name="mem",
        module="mem",
        summary="Index and search the project's memory.",
        section="Ask and work",
        entries=MEM,
    ),
    Entry(
        name="agents",
        module="agents",
        summary="Find personas and check agents.",
        section="Ask and work",
        entries=AGENTS,
    ),
    Entry(name="status", module="status", summary="Show what runs now.", section="Runs"),
    Entry(name="dashboard", module="dashboard", summary="Watch and steer runs on a web page.", section="Runs"),
    Entry(name="logs", module="logs", summary="Show the output of a task's agent.", section="Runs"),
    Entry(name="attach", module="attach", summary="Watch and answer what runs in another terminal.", section="Runs"),
    Entry(
        name="pause", module="pause", summary="Pause a run: running tasks finish, no new task starts.", section="Runs"
    ),
    Entry(name="resume", module="resume", summary="Resume a run that was paused or interrupted.", section="Runs"),
    Entry(
        name="cancel", module="cancel", summary="Cancel a run, or one of its tasks.", section="Runs", destroys=True
    ),
    Entry(
        name="approvals", module="approvals", summary="List the questions that wait for an answer.", section="Runs"
    ),
    Entry(name="approve", module="approve", summary="Approve a question of a gate.", section="Runs"),
    Entry(name="deny", module="deny", summary="Deny a question of a gate.", section="Runs"),
    Entry(name="answer", module="answer", summary="Answer a question of an agent.", section="Runs"),
    Entry(name="ask", module="ask", summary="Ask the user, from inside an agent.", section="Runs"),
    Entry(
        name="comm",
        module="comm",
        summary="Show the board of a run, and post on it.",
        section="Runs",
        entries=COMM,
    ),
    Entry(name="runs", module="runs", summary="List, show and clean runs.", section="Runs", entries=RUNS),
    Entry(
        name="checkpoint",
        module="checkpoint",
        summary="Export a run's state from the journal.",
        section="Runs",
        entries=CHECKPOINT,
    ),
    Entry(
        name="budget",
        module="budget",
        summary="Show and limit the cost of agents.",
        section="Runs",
        entries=BUDGET,
    ),
    Entry(
        name="audit", module="audit", summary="Verify and export the journal of runs.", section="Runs", entries=AUDIT
    ),
    Entry(
        name="worker",
        module="worker",
        summary="Serve a pool with this machine's agents; manage workers.",
        section="Runs",
        entries=WORKERS,
    ),
    Entry(
        name="workspace",
        module="workspace",
        summary="See and steer several projects from one place.",
        section="Runs",
        entries=WORKSPACES,
    ),
    Entry(
        name="diff",
        module="diff",
        summary="Show the change that a run, or one of its tasks, has made.",
        section="Work in worktrees",
    ),
    Entry(
        name="review",
        module="review",
        summary="Write comments on the change of a task for its agent.",
        section="Work in worktrees",
    ),
    Entry(
        name="merge",
        module="merge",
        summary="Merge the work of a run, and deliver it.",
        section="Work in worktrees",
    ),
    Entry(
        name="pr",
        module="pr",
        summary="Push the work of a run, and open a pull request.",
        section="Work in worktrees",
    ),
    Entry(
        name="discard",
        module="discard",
        summary="Discard the work of a task; it can be got back for 30 days.",
        section="Work in worktrees",
        destroys=True,
    ),
    Entry(
        name="candidates",
        module="candidates",
        summary="List the candidates of a task.",
        section="Work in worktrees",
    ),
    Entry(
        name="pick",
        module="pick",
        summary="Take a candidate of a task.",
        section="Work in worktrees",
    ),
    Entry(
        name="worktrees",
        module="worktrees",
        summary="List and clean up the worktrees of tasks.",
        section="Work in worktrees",
        entries=WORKTREES,
    ),
    Entry(
        name="init",
        module="init",
        summary="Set up a folder: configuration, policies, index.",
        section="Set up",
    ),
    Entry(
        name="policies",
        module="policies",
        summary="Show, check and test what agents may do.",
        section="Set up",
        entries=POLICIES,
    ),
    Entry(
        name="trust",
        module="trust",
        summary="Review what a project can run, and trust it.",
        section="Set up",
    ),
    Entry(
        name="config",
        module="config",
        summary="Show and change settings.",
        section="Set up",
        entries=CONFIG,
    ),
    Entry(
        name="keys",
        module="keys",
        summary="Manage the API keys of model providers.",
        section="Set up",
        entries=KEYS,
    ),
    Entry(
        name="mcp",
        module="mcp",
        summary="Serve memory, plans and runs to MCP clients.",
        section="Set up",
        entries=MCP,
    ),
    Entry(
        name="doctor",
        module="doctor",
        summary="Check the installation and the project.",
        section="Set up",
    ),
    Entry(
        name="completion",
        module="completion",
        summary="Print shell completion for aur.",
        section="Set up",
    ),
)
