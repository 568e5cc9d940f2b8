"""The session machine against a model: random turns, kills, resumes, two attached terminals, answers given twice."""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples
from tests.spawner.imagined_agents import FORGETFUL, AskingGate, ImaginedConversation, NothingLeft, World

from aurora_spawner.control.approvals import answer_approval
from aurora_spawner.control.attached import Attached, afollow_attached
from aurora_spawner.control.talking import say_in_session
from aurora_spawner.conversations import following
from aurora_spawner.conversations.following import SessionFollower
from aurora_spawner.conversations.held import SessionParts, held_session
from aurora_spawner.conversations.json_lines import JSON_LINES
from aurora_spawner.conversations.session_events import Asked, Spoke, TurnBegan, TurnOver
from aurora_spawner.conversations.session_reader import SessionReader
from aurora_spawner.conversations.stored import create_session, read_session
from aurora_spawner.conversations.transcript import Transcript
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.writer import GroupWriter
from aurora_spawner.runs.run_options import RunOptions
from aurora_spawner.tasks.approvals import AGENT_GATE

if TYPE_CHECKING:
    from tests.spawner.imagined_agents import Action

    from aurora_spawner.conversations.session import Session
    from aurora_spawner.conversations.session_events import SessionEvent

    Said = tuple[str, int | None, list[Action]]
    """The agent of a turn, the attached terminal that says it (None: the process of the session), and its actions."""

WORDS = st.text('aé 東\n"\\', min_size=1, max_size=6)
ENDS = st.sampled_from([("done",), ("fail",), ("die",), ("wait",), ("kill",), ("late",)])
DEEDS = st.one_of(
    st.tuples(st.just("say"), WORDS),
    st.tuples(st.just("new"), WORDS),
    st.tuples(st.just("tool"), st.just("Read")),
    st.tuples(st.just("ask"), st.just("Which?")),
    st.tuples(st.just("run"), st.just("ls")),
)
END_STATES = {"done": "done", "fail": "failed", "die": "lost", "wait": "interrupted"}


@st.composite
def turns(draw: st.DrawFn) -> list[Action]:
    """The actions of a turn: some deeds, of which one may ask, and an end."""
    deeds = draw(st.lists(DEEDS, max_size=4))
    end = draw(ENDS)
    words = tuple(draw(st.lists(WORDS, max_size=2))) if end[0] in ("kill", "late") else ()
    return [*deeds, (*end, *words)]


class Terminal:
    """An attached terminal: its picture is made of what it is told, through all processes of the session."""

    def __init__(self, journal: Path, run_id: str) -> None:
        self.journal = journal
        self.run_id = run_id
        self.shown: list[tuple[str, str, str]] = []
        self.follower = SessionFollower(journal, run_id)
        self._changed = asyncio.Event()
        self._following = asyncio.ensure_future(self._follow())

    async def _follow(self) -> None:
        async for event in self.follower.events():
            match event:
                case Attached():
                    self.shown = told(self.follower.transcript)
                case TurnBegan():
                    self.shown.append((event.turn.text, "", "answering"))
                case Spoke():
                    said, answer, state = self.shown[event.turn - 1]
                    self.shown[event.turn - 1] = (said, answer + event.text, state)
                case TurnOver():
                    said, answer, _state = self.shown[event.turn.number - 1]
                    self.shown[event.turn.number - 1] = (said, answer, event.turn.state.value)
            self._changed.set()

    async def shows(self, model: list[tuple[str, str, str]]) -> None:
        """Waits until it shows so many turns that have ended, and compares them."""
        while len(self.shown) < len(model) or self.shown[-1][2] == "answering":
            self._changed.clear()
            changed = asyncio.ensure_future(self._changed.wait())
            await asyncio.wait({changed, self._following}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            if self._following.done():
                self._following.result()
        assert self.shown == model
        assert told(self.follower.transcript) == model

    async def say(self, text: str) -> int | None:
        """Says a turn in the session."""
        return await asyncio.to_thread(say_in_session, self.journal, self.run_id, text)

    async def detach(self) -> None:
        """Leaves the session alone."""
        self._following.cancel()
        with suppress(asyncio.CancelledError):
            await self._following


def told(transcript: Transcript) -> list[tuple[str, str, str]]:
    return [(turn.text, turn.answer, turn.state.value) for turn in transcript.turns]


def model_of(said: str, actions: list[Action]) -> tuple[str, str, str]:
    """What the transcript has of a turn that has ended."""
    answer, state = "", "cut off"
    for verb, *words in actions:
        if verb == "say":
            answer += words[0]
        elif verb == "new":
            answer += f"\n\n{words[0]}" if answer else words[0]
        elif verb in ("kill", "late"):
            answer += "".join(words)
        else:
            state = END_STATES.get(verb, state)
    return said, answer, state


class Machine:
    """One session through all of its processes."""

    def __init__(self, folder: Path) -> None:
        self.journal = folder / "runs.db"
        self.world = World()
        self.options = RunOptions(default_agent="able", cwd=folder, spool=folder / "runs", kind="interact")
        self.run_id = create_session(self.journal, self.options, goal="", mode="interactive")
        self.model: list[tuple[str, str, str]] = []
        self.reader = SessionReader(self.journal, self.run_id)
        self.terminals = [Terminal(self.journal, self.run_id) for _ in range(2)]
        self.frozen = False
        self.given: list[tuple[bool, str]] = []
        self._answering: set[asyncio.Task[None]] = set()

    def parts(self) -> SessionParts:
        return SessionParts(
            converse=lambda agent, orders, started: ImaginedConversation(self.world, agent, orders, started),
            dialect_of=lambda _agent: JSON_LINES,
            executor=NothingLeft(),  # type: ignore[arg-type]
            gate=AskingGate(),
            limit_s=None,
            turn_limit_s=lambda _agent: None,
            state_dir=None,
            environ={},
            on_event=self._on_event,
        )

    def _on_event(self, event: SessionEvent) -> None:
        if isinstance(event, Asked):
            task = asyncio.ensure_future(self._answer_twice(event))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer_twice(self, asked: Asked) -> None:
        """Two terminals answer at once; one answer counts."""

        def answer(number: int) -> tuple[bool, str]:
            report = answer_approval(self.journal, asked.approval, approved=number == 1, note=f"answer {number}")
            return report.first, report.answer.note

        both = await asyncio.gather(*(asyncio.to_thread(answer, number) for number in (1, 2)))
        assert sorted(first for first, _note in both) == [False, True]
        assert both[0][1] == both[1][1]
        if asked.question.gate == AGENT_GATE:
            self.given.append((True, both[0][1]))
        else:
            self.given.append((False, both[0][1]))

    async def process(self, turns_: list[Said]) -> None:
        """Holds the session for some turns, up to a kill."""
        dead = asyncio.Event()
        self.frozen = False

        async def kill() -> None:
            await asyncio.gather(*self._answering)  # what is answered then is another test's
            self.frozen = True  # nothing more reaches the disk
            dead.set()

        self.world.kill = kill
        talking = asyncio.ensure_future(self._talk(turns_))
        dying = asyncio.ensure_future(dead.wait())
        await asyncio.wait({talking, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if dead.is_set():
            talking.cancel()
        with suppress(asyncio.CancelledError):
            await talking
        await asyncio.gather(*self._answering)

    async def _talk(self, turns_: list[Said]) -> None:
        async with held_session(self.journal, self.run_id, self.parts()) as session:
            assert told(session.transcript) == self.model
            for agent, place, actions in turns_:
                if session.transcript.agent != agent:
                    await session.switch(agent)
                await self._turn(session, None if place is None else self.terminals[place], actions)

    async def _turn(self, session: Session, terminal: Terminal | None, actions: list[Action]) -> None:
        said = json.dumps(actions)
        self.model.append(model_of(said, actions))
        if actions[-1][0] == "wait":
            self._interrupting = asyncio.ensure_future(self._interrupt_when_it_waits(session))
        saying = asyncio.ensure_future(
            session.say(said) if terminal is None else self._say_elsewhere(session, terminal, said)
        )
        try:
            await saying
        finally:
            saying.cancel()
        assert told(session.transcript) == self.model
        assert told(self.reader.look()) == self.model

    async def _say_elsewhere(self, session: Session, terminal: Terminal, said: str) -> None:
        assert await terminal.say(said) == len(self.model)
        await session.quiet()

    async def _interrupt_when_it_waits(self, session: Session) -> None:
        await self.world.waits.wait()
        assert [await each.say("now?") for each in self.terminals] == [None, None], "a turn runs"
        await session.interrupt()

    async def finish(self) -> None:
        """Compares what is left with the model."""
        kept = read_session(self.journal, self.run_id)
        assert told(kept.transcript) == self.model
        assert told(self.reader.look()) == self.model
        self.reader.close()
        for each in self.terminals:
            await each.shows(self.model)
            assert each.follower.asked == {}
        answers = [note for is_question, note in self.given if is_question]
        assert sorted(map(str, self.world.answers)) == sorted(answers)
        assert len(self.world.permits) == len(self.given) - len(answers)
        with Journal(self.journal) as store:
            assert verify(store).ok


def segments(turns_: list[Said]) -> list[list[Said]]:
    """Splits turns into the processes that are killed in their last ones."""
    found: list[list[Said]] = [[]]
    for turn in turns_:
        found[-1].append(turn)
        if turn[2][-1][0] in ("kill", "late"):
            found.append([])
    return found


async def play(folder: Path, turns_: list[Said]) -> None:
    machine = Machine(folder)
    commit = GroupWriter._commit

    def commit_unless_dead(writer: GroupWriter, group: list[Any]) -> None:
        if not machine.frozen:
            commit(writer, group)

    with (
        mock.patch.object(GroupWriter, "_commit", commit_unless_dead),
        mock.patch.object(following, "afollow_attached", partial(afollow_attached, period_s=0.005)),
    ):
        try:
            for each in segments(turns_):
                await machine.process(each)
            await machine.finish()
        finally:
            for terminal in machine.terminals:
                await terminal.detach()


@settings(max_examples=examples(60))
@given(
    st.lists(
        st.tuples(st.sampled_from(["able", FORGETFUL]), st.sampled_from([None, 0, 1]), turns()),
        min_size=1,
        max_size=5,
    )
)
def test_the_transcript_is_that_of_the_model(turns_: list[Said]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(asyncio.wait_for(play(Path(folder), turns_), 60))
