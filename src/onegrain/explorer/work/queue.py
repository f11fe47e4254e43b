"""The queue of work on models: texts before sweeps, one at a time, in one thread."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import Any, TypeVar

from onegrain.core.interruption import Interrupted, interruptible
from onegrain.errors import OnegrainError
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.errors import BusyError, NotFoundError
from onegrain.explorer.settings import Settings
from onegrain.explorer.work.job import Cancelled, GivesWay, Job, State, WorkFunction
from onegrain.explorer.work.models import ModelKeeper

__all__ = ["Work"]

Result = TypeVar("Result")

MOST_REMEMBERED = 100
"""Jobs that can still be asked for; the oldest finished one leaves first."""
STOP_SECONDS = 10.0


class Work:
    """Work on models. One thread does it, started by the first job; one model is in memory at a time.

    Short work (texts) comes before long work (sweeps). Long work that is running gives way to it when nothing
    is lost by that, and resumes afterwards.

    Args:
        collection: names the models.
        settings: the limits.
    """

    def __init__(self, collection: Collection, settings: Settings) -> None:
        self._settings = settings
        self._models = ModelKeeper(collection)
        self._short: deque[Job[Any]] = deque()
        self._long: deque[Job[Any]] = deque()
        self._running: Job[Any] | None = None
        self._jobs: OrderedDict[str, Job[Any]] = OrderedDict()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_open = True

    def run(self, entry: Entry, function: WorkFunction[Result], *, seconds: float | None = None) -> Result:
        """Do short work on the model of an entry, and return its result once its turn has come.

        Args:
            entry: the record, store or model whose model is used.
            function: receives the loaded model and a progress.
            seconds: time limit, by default that of the settings; as long again may the work wait for its turn.

        Raises:
            BusyError: too much work waits, or the turn does not come in time.
            TimeLimitError: the work takes too long.
            NotFoundError: the model is not here.
            MismatchError: the model that is here is another one.
            OnegrainError: the work failed.
        """
        limit = self._settings.model_seconds if seconds is None else seconds
        return self.submit(entry, function, title="text", seconds=limit).wait(2 * limit)

    def submit(
        self,
        entry: Entry,
        function: WorkFunction[Result],
        *,
        title: str,
        seconds: float | None = None,
        long: bool = False,
        about: object = None,
    ) -> Job[Result]:
        """Add work to the queue.

        Args:
            entry: the record, store or model whose model is used.
            function: receives the loaded model and a progress. If ``long``, it may be called again after it was
                interrupted, and then has to resume from what it has kept.
            title: what the work is, for readers.
            seconds: time limit of the running work; None for none.
            long: True for work that gives way to short work.
            about: what a page wants to know of the work besides its result.

        Raises:
            BusyError: the limit on work of this kind is reached, or the explorer is stopping.
        """
        job = Job(entry, function, title=title, seconds=seconds, long=long)
        job.about = about
        with self._changed:
            if not self._is_open:
                raise BusyError("the explorer is stopping")
            self._require_space(long)
            (self._long if long else self._short).append(job)
            self._remember(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, daemon=True, name="onegrain models")
                self._thread.start()
            self._changed.notify_all()
        return job

    def job(self, id: str) -> Job[Any]:
        """Return a job by its id.

        Raises:
            NotFoundError: no job has this id, or it was finished long ago.
        """
        with self._changed:
            if id not in self._jobs:
                raise NotFoundError("this explorer has no such work; it may have been restarted since")
            return self._jobs[id]

    @property
    def running(self) -> Job[Any] | None:
        """The job whose work is being done."""
        return self._running

    @property
    def is_open(self) -> bool:
        """False once the explorer is stopping; what streams to a browser ends then."""
        return self._is_open

    def open(self) -> None:
        """Accept work, again if :meth:`stop` was called before."""
        with self._changed:
            self._is_open = True

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Cancel all work, and return once the running work has ended and the model has left the memory."""
        with self._changed:
            self._is_open = False
            running = [] if self._running is None else [self._running]
            for job in (*self._short, *self._long, *running):
                job.cancel()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _require_space(self, long: bool) -> None:
        waiting, kind = (self._long, "sweeps") if long else (self._short, "texts")
        most = self._settings.most_sweeps if long else self._settings.most_texts
        running = self._running
        unfinished = sum(not job.state.finished for job in waiting) + (
            running is not None and running.long == long and running not in waiting
        )
        if unfinished >= most:
            raise BusyError(f"{unfinished} {kind} wait or run already; wait for one to finish, or stop one")

    def _remember(self, job: Job[Any]) -> None:
        self._jobs[job.id] = job
        finished = [id for id, kept in self._jobs.items() if kept.state.finished]
        for id in finished[: max(0, len(self._jobs) - MOST_REMEMBERED)]:
            del self._jobs[id]

    def _serve(self) -> None:
        """Do one job after the other until the explorer stops."""
        while True:
            with self._changed:
                while self._is_open and not self._short and not self._long:
                    self._changed.wait()
                if not self._is_open:
                    self._thread = None
                    break
                job = (self._short or self._long).popleft()
                self._running = job
            self._perform(job)
            with self._changed:
                self._running = None
                if not job.state.finished:
                    self._long.appendleft(job)
        self._short.clear()
        self._long.clear()
        self._models.drop()

    def _perform(self, job: Job[Any]) -> None:
        """Run a job's function, and say in the job how it ended."""
        if not job.begin(lambda: bool(self._short)):
            return
        try:
            with interruptible(job.check):
                result = job.function(self._models.load(job.entry), job.progress)
        except GivesWay:
            job.rest()
        except Cancelled:
            job.end(State.CANCELLED)
        except (OnegrainError, Interrupted) as error:
            job.end(State.FAILED, error=error)
        except Exception as error:
            job.end(State.FAILED, error=OnegrainError(f"{job.title} failed: {type(error).__name__}: {error}"))
            job.error.__cause__ = error  # type: ignore[union-attr]
        else:
            job.end(State.DONE, result)
