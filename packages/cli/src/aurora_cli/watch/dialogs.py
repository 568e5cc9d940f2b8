"""Questions of the live view: whether to cancel, and the questions of gates, answered in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from aurora_cli.render.approvals import question_lines
from aurora_cli.render.words import one_line
from aurora_spawner.gates.masking import masked
from aurora_spawner.tasks.approvals import AGENT_GATE

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from aurora_spawner.control.approvals import ApprovalRow

__all__ = ["Answer", "AnswerQuestion", "ConfirmCancel", "WholeLine"]

_SAY: Final = "Your answer, for the agent; Enter gives it, Esc leaves the question open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The user's answer to a question."""

    approved: bool
    note: str = ""
    always: bool = False


class WholeLine(ModalScreen[None]):
    """Shows a line in full that is too long for the screen; any of the usual keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,space", "dismiss(None)")]

    def __init__(self, line: str) -> None:
        super().__init__()
        self._line = line

    def compose(self) -> ComposeResult:
        """Lays out the line."""
        with Vertical(classes="dialog"):
            yield Static(f"{self._line}\n\nEsc = back", markup=False)


class ConfirmCancel(ModalScreen[bool]):
    """Asks whether a run or a task shall be cancelled; only y does it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)"),
        Binding("n,escape,enter,q", "dismiss(False)"),
    ]

    def __init__(self, what: str, effect: str) -> None:
        super().__init__()
        self._words = f"Cancel {what}?\n\n{effect}\n\ny = cancel it, n = leave it"

    def compose(self) -> ComposeResult:
        """Lays out the question."""
        with Vertical(classes="dialog"):
            yield Static(self._words, markup=False)


class AnswerQuestion(ModalScreen[Answer | None]):
    """Shows a question in full, and takes its answer: a text for an agent, else yes or no; Escape leaves it open."""

    AUTO_FOCUS = ""
    """Nothing: a focused input would take the keys that answer."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "approve(False)"),
        Binding("w", "approve(True)"),
        Binding("d", "deny"),
        Binding("up", "scroll(-1)"),
        Binding("down", "scroll(1)"),
        Binding("escape,l,q", "dismiss(None)"),
    ]

    def __init__(self, asked: ApprovalRow, *, now: float, denying: bool) -> None:
        super().__init__()
        self.asked = asked
        self._now = now
        self._denying = denying
        self._of_agent = asked.gate == AGENT_GATE

    def compose(self) -> ComposeResult:
        """Lays out the question and the keys, which stay on the screen however long the question is."""
        whole = ", w = for the whole run" if self.asked.shape else ""
        keys = f"a = approve{whole}, d = deny, Esc = leave it open"
        lines = [masked(line) for line in question_lines(self.asked, now=self._now)]
        with Vertical(classes="dialog"):
            with VerticalScroll(id="question", can_focus=False):
                yield Static("\n".join(lines), markup=False)
            yield Static(f"\n{_SAY if self._of_agent else keys}", markup=False, id="keys")
            yield Input(placeholder="" if self._of_agent else "the reason, for the agent", id="words")

    def on_mount(self) -> None:
        """Asks for words at once only if the answer is a text, or no."""
        self.query_one("#words", Input).display = False
        if self._of_agent:
            self._ask_for_words()
        elif self._denying:
            self.action_deny()

    def action_approve(self, always: bool) -> None:
        """Approves; for the whole run only what has a shape."""
        if not always or self.asked.shape:
            self.dismiss(Answer(approved=True, always=always))

    def action_deny(self) -> None:
        """Asks for the reason."""
        why = f"\nDeny {one_line(self.asked.approval)}: why? Enter denies, Esc leaves it open"
        self.query_one("#keys", Static).update(why)
        self._ask_for_words()

    def action_scroll(self, lines: int) -> None:
        """Shows another part of a question that is longer than the screen."""
        self.query_one("#question", VerticalScroll).scroll_relative(y=lines, animate=False)

    def _ask_for_words(self) -> None:
        words = self.query_one("#words", Input)
        words.display = True
        self.set_focus(words)  # at once: the next key may have come already

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Gives the agent its answer, or denies with the reason, which may be empty."""
        said = event.value.strip()
        if said or not self._of_agent:
            self.dismiss(Answer(approved=self._of_agent, note=said))
