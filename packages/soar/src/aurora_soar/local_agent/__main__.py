"""The local agent: answers a subgoal from the project's memory, as a process of its own.

    python -m aurora_soar.local_agent --project DIR < prompt

A JSON prompt is a `LocalRequest` and gets an `Evidence` document; any other text is a question and gets an answer in
Markdown. The exit status is 0 with an answer, 1 if the memory has none, 2 if the prompt is invalid.
"""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

from pydantic import ValidationError

from aurora_core import AuroraCoreError, Memory
from aurora_soar.errors import SoarError
from aurora_soar.evidence.evidence import LocalRequest
from aurora_soar.local_agent.extract import extract

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Reads a prompt from stdin, writes the answer to stdout and errors to stderr; returns the exit status."""
    parser = argparse.ArgumentParser(prog="aurora_soar.local_agent", description="Answer from a project's memory.")
    parser.add_argument("--project", type=Path, required=True, help="folder that holds .aurora")
    arguments = parser.parse_args(argv)
    prompt = sys.stdin.buffer.read().decode("utf-8", errors="replace")
    try:
        with Memory.open(arguments.project) as memory:
            return _answer(memory, arguments.project, prompt)
    except (SoarError, AuroraCoreError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _answer(memory: Memory, project: Path, prompt: str) -> int:
    if prompt.lstrip().startswith("{"):
        try:
            request = LocalRequest.model_validate_json(prompt)
        except ValidationError as error:
            sys.stderr.write(
                f"the prompt is not a request for the local agent: {error.errors(include_url=False)[0]}\n"
            )
            return 2
        sys.stdout.write(extract(memory, request).model_dump_json())
        return 0
    return _answer_text(memory, project, prompt)


def _answer_text(memory: Memory, project: Path, prompt: str) -> int:
    # Only here: with the spawner a start takes twice as long, and each subgoal of a question starts an agent.
    from aurora_soar.local_agent.lookup import answer_directly
    from aurora_spawner.board.digest import HEADING
    from aurora_spawner.tasks.prompts import RESULTS_HEADING

    # Results of earlier tasks and posts are not part of this question; their words would be searched for too.
    question, _, _ = prompt.partition(f"\n{RESULTS_HEADING}\n")
    question, _, _ = question.partition(f"\n{HEADING}\n")
    synthesis = answer_directly(memory, project, question)
    if not synthesis.sources:
        sys.stderr.write(synthesis.answer)
        return 1
    sys.stdout.write(synthesis.answer)
    return 0


if __name__ == "__main__":
    status = main()
    gc.freeze()  # the interpreter's last collections would visit all that was imported, for a fifth of a start
    raise SystemExit(status)
