"""What a ranking method is asked: one record for all methods, and the registry's entry for a method."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from typing import Any

from onegrain.core.progress import Progress, automatic
from onegrain.engines import Engine
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking

__all__ = ["Method", "NoOptions", "Request"]


@dataclass(frozen=True)
class NoOptions:
    """For a method that takes no parameters."""


@dataclass(frozen=True, eq=False)
class Request:
    """One question to a ranking method.

    Attributes:
        activations: the neurons that are ranked.
        label: the label layer, or None.
        dev: held-out words for choices that the method makes, or None.
        test: words for the evaluation that the record reports, or None.
        others: other models read on the same words.
        seed: for whatever is random.
        memory: bytes that this process may hold in all, or None.
        device: where to compute, or None for the CPU.
        engine: where passes over the words run, or None for this process.
        options: the method's own parameters, an instance of its options class.
        progress: listens to a method that takes long.
    """

    activations: Activations
    label: str | None = None
    dev: Activations | None = None
    test: Activations | None = None
    others: tuple[Activations, ...] = ()
    seed: int = 0
    memory: int | None = None
    device: str | None = None
    engine: Engine | None = None
    options: Any = NoOptions()
    progress: Progress = automatic

    def provenance(self, method: str) -> Provenance:
        """The provenance of the ranking that answers this request."""
        given = {field.name: getattr(self.options, field.name) for field in fields(self.options)}
        used = [self.activations, *(one for one in (self.dev, self.test) if one is not None), *self.others]
        own = self.activations.provenance
        return Provenance(
            stage="rank",
            model=own.model,
            corpus=own.corpus,
            sites=self.activations.space.sites,
            parameters={"method": method, "label": self.label, **_plain(given)},
            seed=self.seed,
            inputs=tuple(one.provenance for one in used),
        )


@dataclass(frozen=True)
class Method:
    """A ranking method.

    Attributes:
        name: what it is called, in Python and on the command line.
        summary: one line.
        function: answers a request.
        options: frozen dataclass of its parameters, each with a default.
        needs_label: whether it needs a label layer; without, it takes none.
        needs_others: whether it needs other models; without, it takes none.
        needs_model: whether it needs a running model (:func:`onegrain.live_activations`).
        takes_heldout: whether it uses ``dev`` and ``test``.
        takes_memory: whether it keeps to a memory budget.
        takes_device: whether it computes on a device of choice.
        takes_engine: whether its passes over the words can run on another engine.
        counting: how it scores from counts that it shares with its like
            (:class:`onegrain.rankings.univariate.counting.scoring.Counting`), or None.
    """

    name: str
    summary: str
    function: Callable[[Request], Ranking]
    options: type = NoOptions
    needs_label: bool = False
    needs_others: bool = False
    needs_model: bool = False
    takes_heldout: bool = False
    takes_memory: bool = False
    takes_device: bool = False
    takes_engine: bool = False
    counting: Any = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that the method takes."""
        return tuple(field.name for field in fields(self.options))

    def part(self, request: Request) -> Request:
        """The request without what the method does not take."""
        return replace(
            request,
            label=request.label if self.needs_label else None,
            dev=request.dev if self.takes_heldout else None,
            test=request.test if self.takes_heldout else None,
            others=request.others if self.needs_others else (),
            memory=request.memory if self.takes_memory else None,
            device=request.device if self.takes_device else None,
            engine=request.engine if self.takes_engine else None,
        )

    def require(self, request: Request, given: dict[str, Any]) -> None:
        """Raise ParameterError for what the method does not take, or needs and was not given."""
        self.require_given(
            given,
            label=request.label is not None,
            others=bool(request.others),
            heldout=request.dev is not None or request.test is not None,
        )
        if request.memory is not None and not self.takes_memory:
            raise ParameterError(f"{self.name} keeps to no memory budget; leave out memory")
        if request.device is not None and not self.takes_device:
            raise ParameterError(f"{self.name} has no choice of where it computes; leave out device")
        if request.engine is not None and not self.takes_engine:
            raise ParameterError(f"{self.name} runs in this process only; leave out engine")

    def require_given(self, parameters: Collection[str], *, label: bool, others: bool, heldout: bool) -> None:
        """The same of parameters by name, and of whether there are labels, other models and held-out words."""
        unknown = sorted(set(parameters) - set(self.parameters))
        if unknown:
            there = ", ".join(self.parameters) or "none"
            raise ParameterError(
                f"{self.name} takes no parameter {', '.join(unknown)}; its parameters are: {there}"
            )
        needs = [
            ("a label layer (label)", self.needs_label, label),
            ("other models on the same words (others)", self.needs_others, others),
        ]
        for what, needed, there_is in needs:
            if needed and not there_is:
                raise ParameterError(f"{self.name} needs {what}")
            if there_is and not needed:
                raise ParameterError(
                    f"{self.name} takes no {what.split(' (')[0].removeprefix('a ')}; leave it out"
                )
        if heldout and not self.takes_heldout:
            raise ParameterError(f"{self.name} uses no held-out words; leave out dev and test")


def _plain(value: Any) -> Any:
    """The value with tuples as lists, as JSON has it."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (tuple, list)) else value
