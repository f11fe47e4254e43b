"""A piece of work on a model: its state, its progress, and the ways in which it ends."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from onegrain.core.interruption import Interrupted
from onegrain.core.progress import Progress
from onegrain.explorer.collection import Entry
from onegrain.explorer.errors import BusyError, TimeLimitError

if TYPE_CHECKING:
    from onegrain.models import LoadedModel

__all__ = ["Cancelled", "GivesWay", "Job", "OutOfTime", "Stage", "State", "WorkFunction"]

Result = TypeVar("Result")
WorkFunction = Callable[["LoadedModel", Progress], Result]
"""Work: it receives the loaded model and a progress, which also ends the work when it has to end."""


class State(StrEnum):
    """The state of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """True if the job will not run any more."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)


class Cancelled(Interrupted):
    """Somebody has cancelled the job."""


class OutOfTime(Interrupted):
    """The job has reached its time limit."""


class GivesWay(Interrupted):
    """The job gives way to shorter work, and runs again after it."""


@dataclass(frozen=True)
class Stage:
    """The progress of a job.

    Attributes:
        description: what is being done; empty before the job reports something.
        done, total: units of work.
        unit: what they are.
    """

    description: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""


class Job(Generic[Result]):
    """A piece of work on the model of one entry. All methods may be called from several threads.

    Attributes:
        id: names the job in addresses.
        title: what the job is, for readers.
        entry: the record, store or model whose model is used.
        seconds: time limit of the running work; None for none.
        long: True for work that gives way to shorter work. Its function is called again afterwards, and has to
            resume from what it has kept.
        stage: how far the work is.
        about: what a page wants to know of the work besides its result; None if nothing.
        changes: a number that grows with every change of the state or of the progress.
    """

    def __init__(
        self,
        entry: Entry,
        function: WorkFunction[Result],
        *,
        title: str = "",
        seconds: float | None = None,
        long: bool = False,
    ) -> None:
        self.id = secrets.token_urlsafe(9)
        self.entry, self.title, self.seconds, self.long = entry, title, seconds, long
        self.function = function
        self.stage = Stage()
        self.about: object = None
        self.changes = 0
        self._state = State.WAITING
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._cancelled = threading.Event()
        self._finished = threading.Event()
        self._deadline: float | None = None
        self._at_rest = False
        self._others_wait: Callable[[], bool] = bool

    @property
    def state(self) -> State:
        """Where the job stands."""
        return self._state

    @property
    def error(self) -> BaseException | None:
        """Why the job failed; None if it did not."""
        return self._error

    def cancel(self) -> None:
        """End the job: at once if it waits, else at the next pass of its model."""
        self._cancelled.set()
        if self._state is State.WAITING:
            self.end(State.CANCELLED)

    @property
    def is_cancelled(self) -> bool:
        """True once somebody has cancelled the job, even if it is still running."""
        return self._cancelled.is_set()

    def wait(self, seconds: float | None = None) -> Result:
        """Return the result once the job is finished.

        Raises:
            BusyError: it was cancelled, or its turn has not come within the time.
            TimeLimitError: it took too long.
            OnegrainError: it failed.
        """
        if not self._finished.wait(seconds):
            was_waiting = self._state is State.WAITING
            self.cancel()
            if was_waiting:
                raise BusyError("other work on models takes long; wait for it or stop it, then try again")
            raise TimeLimitError(self._too_long())
        if self._error is not None:
            raise self._error
        if self._state is State.CANCELLED:
            raise BusyError("the work was cancelled")
        return self._result  # type: ignore[return-value]

    def begin(self, others_wait: Callable[[], bool]) -> bool:
        """Start running, unless the job was cancelled.

        Args:
            others_wait: says whether shorter work waits.
        """
        if self._state.finished:
            return False
        self._others_wait, self._at_rest = others_wait, False
        self._deadline = None if self.seconds is None else time.monotonic() + self.seconds
        self._change(State.RUNNING)
        return True

    def rest(self) -> None:
        """Wait again, because the job has given way to another."""
        if self._cancelled.is_set():
            self.end(State.CANCELLED)
        else:
            self._change(State.WAITING)

    def end(self, state: State, result: Result | None = None, error: BaseException | None = None) -> None:
        """Finish."""
        self._result = result
        self._error = TimeLimitError(self._too_long()) if isinstance(error, OutOfTime) else error
        self._change(state)
        self._finished.set()

    def check(self) -> None:
        """End the work, by an exception, if it was cancelled, takes too long, or has to give way."""
        if self._cancelled.is_set():
            raise Cancelled
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise OutOfTime
        if self.long and self._at_rest and self._others_wait():
            raise GivesWay
        self._at_rest = False

    @contextmanager
    def progress(self, description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        """Open a task; see :class:`onegrain.core.progress.Progress`."""

        def advance(done: int) -> None:
            now = self.stage
            self.stage = Stage(now.description, now.done + done, now.total, now.unit)
            self.changes += 1
            self.check()
            self._at_rest = True  # nothing is lost if long work is interrupted before its next pass

        self.stage = Stage(description, 0, total, unit)
        self.changes += 1
        yield advance

    def _change(self, state: State) -> None:
        self._state = state
        self.changes += 1

    def _too_long(self) -> str:
        return (
            f"the model took longer than {self.seconds:g} s; shorten the text, or take a smaller model"
            if self.seconds is not None
            else "the work took too long"
        )
