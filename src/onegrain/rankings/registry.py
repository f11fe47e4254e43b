"""Every ranking method by name, loaded when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from onegrain.errors import ParameterError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from onegrain.rankings.request import Method

__all__ = ["BUILT_IN", "GROUP", "METHODS", "method", "register"]

BUILT_IN: Mapping[str, str] = {
    "lca": "onegrain.rankings.lca.method:METHOD",
    "neurox": "onegrain.rankings.neurox.method:METHOD",
    "maxcorr": "onegrain.rankings.crossmodel.maxcorr:MAXCORR",
    "mincorr": "onegrain.rankings.crossmodel.maxcorr:MINCORR",
    "linreg": "onegrain.rankings.crossmodel.linreg:METHOD",
    "svcca": "onegrain.rankings.crossmodel.svcca:METHOD",
    "mean": "onegrain.rankings.univariate.mean:MEAN",
    "std": "onegrain.rankings.univariate.mean:STD",
    "f-statistic": "onegrain.rankings.univariate.f_statistic:METHOD",
    "mutual-information": "onegrain.rankings.univariate.mutual_information:METHOD",
    "probeless": "onegrain.rankings.univariate.probeless:METHOD",
    "average-precision": "onegrain.rankings.univariate.discrimination:AVERAGE_PRECISION",
    "auroc": "onegrain.rankings.univariate.discrimination:AUROC",
    "iou": "onegrain.rankings.univariate.iou:METHOD",
    "gaussian-1d": "onegrain.rankings.univariate.one_gaussian:METHOD",
    "selectivity": "onegrain.rankings.univariate.selectivity:METHOD",
    "lape": "onegrain.rankings.univariate.lape:METHOD",
    "integrated-gradients": "onegrain.rankings.gradients.integrated_gradients:METHOD",
    "gaussian": "onegrain.rankings.gaussian.method:METHOD",
    "sparse-probing": "onegrain.rankings.sparse.method:METHOD",
    "random": "onegrain.rankings.random:METHOD",
}
"""Name -> where its :class:`~onegrain.rankings.Method` is. A line here registers a method of the package."""

GROUP = "onegrain.methods"
"""The group of entry points in which another package registers its methods, each under its name."""


class _Methods(Mapping[str, "Method"]):
    """The methods by name: those of the package, then those registered elsewhere, by name."""

    def __init__(self) -> None:
        self._loaded: dict[str, Method] = {}
        self._plugins: dict[str, EntryPoint] | None = None

    def __getitem__(self, name: str) -> Method:
        if name not in self._loaded:
            built_in = BUILT_IN.get(name)
            self._loaded[name] = _at(built_in) if built_in else _required(self._entry_points()[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*BUILT_IN, *sorted({*self._loaded, *self._entry_points()} - set(BUILT_IN))])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def add(self, entry: Method) -> None:
        if entry.name in self:
            raise ParameterError(f"there is a ranking method {entry.name!r} already; give yours another name")
        self._loaded[entry.name] = entry

    def _entry_points(self) -> dict[str, EntryPoint]:
        if self._plugins is None:
            from importlib.metadata import entry_points

            found = sorted(entry_points(group=GROUP), key=lambda one: (one.name, one.value))
            self._plugins = {one.name: one for one in reversed(found) if one.name not in BUILT_IN}
        return self._plugins


METHODS: Mapping[str, Method] = _Methods()
"""The methods by name."""


def method(name: str) -> Method:
    """A method by name; ParameterError names those that exist."""
    if name not in METHODS:
        raise ParameterError(f"no ranking method {name!r}; the methods are: {', '.join(METHODS)}")
    return METHODS[name]


def register(entry: Method) -> Method:
    """Make a method known in this process, for ``rank`` and whatever names methods; gives it back.

    A package registers its methods for every process, the command line too, by an entry point of the group
    ``onegrain.methods`` that leads to a :class:`~onegrain.rankings.Method`.

    Raises:
        ParameterError: there is a method of that name.
    """
    assert isinstance(METHODS, _Methods)
    METHODS.add(entry)
    return entry


def _at(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def _required(entry: EntryPoint) -> Method:
    """What an entry point leads to, if that is a method of its name."""
    from onegrain.rankings.request import Method

    try:
        found = entry.load()
    except Exception as error:
        raise ParameterError(
            f"the ranking method {entry.name!r} of {entry.value} cannot be loaded ({error}); repair or "
            "uninstall the package that registers it"
        ) from error
    if not isinstance(found, Method) or found.name != entry.name:
        raise ParameterError(
            f"{entry.value} is registered as the ranking method {entry.name!r} and is not a Method of that "
            "name; repair or uninstall the package that registers it"
        )
    return found
