"""Options of ``onegrain rank`` for its inputs, and the activations that they name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.options.corpus import CorpusOptions
from onegrain.cli.options.model import LoadingOptions, ModelDevice
from onegrain.cli.options.neurons import Sites
from onegrain.cli.options.words import WordOptions
from onegrain.cli.repeating import identity_of

if TYPE_CHECKING:
    from onegrain.records.activations import Activations

__all__ = ["InputOptions", "Inputs", "ReadingOptions"]


@dataclass(frozen=True)
class ReadingOptions(LoadingOptions, WordOptions, CorpusOptions):
    """The options for reading a corpus with a model, in place of a store."""

    model_device: ModelDevice = None

    def reader(self, corpus: Path, sites: list[str] | None) -> Callable[[str], Activations]:
        """Return a function that loads a model and reads the corpus with it, without storing anything."""
        from onegrain.activations import live_activations

        words = self.read(corpus)
        return lambda name: live_activations(
            self.load(name, self.model_device), words, sites=sites, **self.arguments()
        )

    def require_unused(self) -> None:
        """Raise ParameterError for options of models and corpora when stores are read."""
        from onegrain.errors import ParameterError

        changed = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
        if changed:
            listed = ", ".join("--" + name.replace("_", "-") for name in changed)
            raise ParameterError(
                f"{listed}: a store has its words and values already; leave it out, or give models and --corpus"
            )


@dataclass(frozen=True)
class InputOptions:
    """The options that name the inputs of a ranking besides the store."""

    dev: Annotated[
        str | None, typer.Option(help="Held-out store on which penalties and the like are chosen.")
    ] = None
    test: Annotated[str | None, typer.Option(help="Held-out store for the evaluation.")] = None
    others: Annotated[
        list[str] | None,
        typer.Option(help="Store of another model on the same words; with --corpus, a model. May be repeated."),
    ] = None
    sites: Sites = None
    corpus: Annotated[
        Path | None,
        typer.Option(
            help="Corpus file on which the models STORE and --others are read, without storing anything."
        ),
    ] = None

    def open(self, store: str, reading: ReadingOptions) -> Inputs:
        """Open the stores; with a corpus, load the models and read it with them."""
        from onegrain.activations import open_activations

        def open_store(path: str) -> Activations:
            return open_activations(path).restrict(self.sites)

        if self.corpus is None:
            reading.require_unused()
            open_input: Callable[[str], Activations] = open_store
        else:
            open_input = reading.reader(self.corpus, self.sites)
        places = {"dev": self.dev, "test": self.test}
        held_out = {name: open_store(place) for name, place in places.items() if place is not None}
        others = [open_input(place) for place in self.others or []]
        return Inputs(self, store, open_input(store), held_out, others)


@dataclass(frozen=True)
class Inputs:
    """The opened inputs of a ranking.

    Attributes:
        options: the options that named them.
        store: the store or model whose neurons are ranked.
        activations: its activations.
        held_out: ``dev`` and ``test``, as far as they are given.
        others: the activations of other models.
    """

    options: InputOptions
    store: str
    activations: Activations
    held_out: dict[str, Activations]
    others: list[Activations]

    def arguments(self) -> dict[str, Any]:
        """Return the held-out words and the other models as keywords of :func:`onegrain.rank`."""
        return {"dev": None, "test": None, **self.held_out, "others": self.others}

    def identities(self) -> dict[str, Any]:
        """Return what identifies each input, for the hash of a request."""
        live = self.options.corpus is not None
        facts = {"activations": identity_of(self.activations, None if live else self.store)}
        for name, activations in self.held_out.items():
            facts[name] = identity_of(activations, getattr(self.options, name))
        for place, other in zip(self.options.others or [], self.others, strict=True):
            facts[f"other {len(facts)}"] = identity_of(other, None if live else place)
        return facts
