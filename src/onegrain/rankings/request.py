"""The request to a ranking method, the same for all methods, and the registry's entry for a method."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from typing import Any

from onegrain.core.progress import Progress, automatic
from onegrain.engines import Engine
from onegrain.errors import ParameterError
from onegrain.rankings.redrawing import Redraw
from onegrain.records.activations import Activations
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking

__all__ = ["Method", "NoOptions", "Request"]


@dataclass(frozen=True)
class NoOptions:
    """The options of a method without parameters."""


@dataclass(frozen=True, eq=False)
class Request:
    """A request to a ranking method.

    Attributes:
        activations: the neurons to rank.
        label: the label layer, or None.
        dev: held-out words for choices that the method makes, or None.
        test: held-out words for the evaluation in the record, or None.
        others: activations of other models on the same words.
        seed: random seed.
        memory: bytes that this process may hold in total, or None for no limit.
        device: where to compute, or None for the CPU.
        engine: where passes over the words run, or None for this process.
        options: parameters of the method, an instance of its options class.
        progress: receives the progress of long computations.
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
        """Return the provenance of the ranking by ``method`` for this request."""
        options = {field.name: getattr(self.options, field.name) for field in fields(self.options)}
        held_out = [words for words in (self.dev, self.test) if words is not None]
        inputs = [self.activations, *held_out, *self.others]
        ranked = self.activations.provenance
        return Provenance(
            stage="rank",
            model=ranked.model,
            corpus=ranked.corpus,
            sites=self.activations.space.sites,
            parameters={"method": method, "label": self.label, **_plain(options)},
            seed=self.seed,
            inputs=tuple(activations.provenance for activations in inputs),
        )


@dataclass(frozen=True)
class Method:
    """A ranking method.

    Attributes:
        name: name in Python and on the command line.
        summary: one line that describes it.
        function: the function that answers a request with a ranking.
        options: frozen dataclass of its parameters, each with a default.
        needs_label: True if it needs a label layer; a method that does not need one takes none.
        needs_others: True if it needs other models; a method that does not need them takes none.
        needs_model: True if it needs a running model (:func:`onegrain.live_activations`).
        takes_heldout: True if it uses ``dev`` and ``test``.
        takes_memory: True if it respects a memory budget.
        takes_device: True if it can compute on another device.
        takes_engine: True if its passes over the words can run on another engine.
        counting: the rule by which it scores neurons from counts
            (:class:`onegrain.rankings.univariate.counting.scoring.Counting`), or None.
        redraw: function that computes its order again on draws of the sentences, all draws together, for
            :func:`onegrain.stability`; None for a method whose order does not come from the words alone.
        redraw_solves: True if the draws are solved to a tolerance.
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
    redraw: Redraw | None = None
    redraw_solves: bool = False

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the method's parameters."""
        return tuple(field.name for field in fields(self.options))

    def part(self, request: Request) -> Request:
        """Return the request without the fields that the method does not take."""
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

    def require(self, request: Request, parameters: dict[str, Any]) -> None:
        """Raise ParameterError if the request lacks what the method needs, or has what it does not take.

        Args:
            request: the request.
            parameters: parameters of the method by name.
        """
        self.require_given(
            parameters,
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
        """Check names of parameters, and whether a label layer, other models and held-out words are given.

        Raises:
            ParameterError: a parameter is unknown, something needed is missing, or something is not taken.
        """
        unknown = sorted(set(parameters) - set(self.parameters))
        if unknown:
            known = ", ".join(self.parameters) or "none"
            raise ParameterError(
                f"{self.name} takes no parameter {', '.join(unknown)}; its parameters are: {known}"
            )
        needs = [
            ("a label layer (label)", self.needs_label, label),
            ("other models on the same words (others)", self.needs_others, others),
        ]
        for what, needed, is_given in needs:
            if needed and not is_given:
                raise ParameterError(f"{self.name} needs {what}")
            if is_given and not needed:
                raise ParameterError(
                    f"{self.name} takes no {what.split(' (')[0].removeprefix('a ')}; leave it out"
                )
        if heldout and not self.takes_heldout:
            raise ParameterError(f"{self.name} uses no held-out words; leave out dev and test")


def _plain(value: Any) -> Any:
    """Return the value with tuples as lists, as in JSON."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
