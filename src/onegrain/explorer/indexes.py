"""The indexes of stores: opened where they exist, made in the background where they do not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from onegrain.core.interruption import Interrupted
from onegrain.errors import MismatchError, OnegrainError, ParameterError, RecordError
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.recent import Recent
from onegrain.records.indexed_neuron import IndexedNeuron
from onegrain.searching import NeuronIndex, index_neurons, index_path
from onegrain.searching.describing import NeuronDescriptions

__all__ = ["IndexState", "Indexes"]

MOST_DIRECT_WORDS = 30_000
"""Words of a store up to which a neuron is described without an index."""
MOST_DESCRIBED = 256
"""Such descriptions that stay in memory."""


@dataclass(frozen=True)
class IndexState:
    """The state of an index that is being made.

    Attributes:
        done: number of neurons that are indexed.
        total: number of neurons; 0 until the work begins.
        failure: why it cannot be made; empty while it can.
        is_finished: True once the index can be opened.
    """

    done: int = 0
    total: int = 0
    failure: str = ""
    is_finished: bool = False

    @property
    def percent(self) -> int:
        """The share that is done, in per cent, rounded down."""
        return 100 * self.done // self.total if self.total else 0


class _StoppedError(Interrupted):
    """The explorer stops, and so does the work on an index."""


class Indexes:
    """The indexes of the stores of one explorer; one is made at a time.

    All methods may be called from several threads.
    """

    def __init__(self) -> None:
        self._states: dict[str, IndexState] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._is_stopping = threading.Event()

    def opened(self, collection: Collection, store: Entry) -> NeuronIndex | None:
        """Return the index of a store, or None if it has none yet, or one of other activations."""

        def open_index() -> NeuronIndex | None:
            try:
                return NeuronIndex.open(collection.store(store.name))
            except (RecordError, MismatchError, ParameterError):
                return None

        return collection.derived(f"index\0{store.name}", open_index)

    def neuron(
        self,
        collection: Collection,
        store: Entry,
        index: int,
        read: Callable[[int], np.ndarray] | None = None,
    ) -> IndexedNeuron | IndexState:
        """Return what is known of a neuron, from the index of its store.

        A small store needs no index: a neuron of it is described when it is asked for. Where a large one has no
        index yet, this begins to make it and returns its state.

        Args:
            collection: the records.
            store: the store.
            index: the flat index of the neuron.
            read: returns the values of a neuron where a description needs them; see
                :class:`~onegrain.searching.describing.NeuronDescriptions`.
        """
        opened = self.opened(collection, store)
        if opened is not None:
            return opened.neuron(index)
        activations = collection.store(store.name)
        if activations.n_words > MOST_DIRECT_WORDS and not self.state(store).failure:
            return self.begin(collection, store)
        described = collection.derived(
            f"neurons\0{store.name}", lambda: NeuronDescriptions(activations, read=read)
        )
        kept: Recent[IndexedNeuron] = collection.derived("described", lambda: Recent(MOST_DESCRIBED))
        return kept.get((store.name, index), lambda: described.neuron(index))

    def begin(self, collection: Collection, store: Entry) -> IndexState:
        """Return the state of the index of a store; the first call starts making it in the background."""
        with self._lock:
            if store.name in self._states:
                return self._states[store.name]
            self._states[store.name] = IndexState()
        thread = threading.Thread(
            target=self._make, args=(collection, store), name=f"index {store.title}", daemon=True
        )
        thread.start()
        return self.state(store)

    def state(self, store: Entry) -> IndexState:
        """Return the state of the index of a store; that of one which nobody asked for has a total of 0."""
        with self._lock:
            return self._states.get(store.name, IndexState())

    def stop(self) -> None:
        """Stop making indexes; what is unfinished leaves nothing behind."""
        self._is_stopping.set()

    def _make(self, collection: Collection, store: Entry) -> None:
        @contextmanager
        def progress(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
            self._change(store, total=total)

            def advance(done: int) -> None:
                if self._is_stopping.is_set():
                    raise _StoppedError
                self._change(store, done=self.state(store).done + done)

            yield advance

        with self._turn:
            try:
                index_neurons(collection.store(store.name), progress=progress)
            except _StoppedError:
                return
            except OnegrainError as error:
                self._change(store, failure=_without_folder(str(error), collection.path(store)))
            else:
                self._change(store, is_finished=True)
        collection.touch()

    def _change(self, store: Entry, **values: object) -> None:
        with self._lock:
            state = self._states.get(store.name, IndexState())
            self._states[store.name] = replace(state, **values)  # type: ignore[arg-type]


def _without_folder(message: str, path: Path | str) -> str:
    """Return a message about a store or its index without the folders that they are in."""
    for place in (path, index_path(path)):
        folder = str(place).rpartition(Path(place).name)[0]
        message = message.replace(folder, "")
    return message
