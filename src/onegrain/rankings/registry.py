"""The registry of ranking methods by name; a method is loaded when it is first used."""

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
"""Name -> module and attribute of its :class:`~onegrain.rankings.Method`. A line here registers a method."""

GROUP = "onegrain.methods"
"""The group of entry points in which other packages register their methods by name."""


class _Methods(Mapping[str, "Method"]):
    """A mapping of the methods by name: those of this package first, then all others in order of name."""

    def __init__(self) -> None:
        self._loaded: dict[str, Method] = {}
        self._plugins: dict[str, EntryPoint] | None = None

    def __getitem__(self, name: str) -> Method:
        if name not in self._loaded:
            built_in = BUILT_IN.get(name)
            self._loaded[name] = _load(built_in) if built_in else _required(self._entry_points()[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*BUILT_IN, *sorted({*self._loaded, *self._entry_points()} - set(BUILT_IN))])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def add(self, entry: Method) -> None:
        """Add a method; ParameterError if its name is taken."""
        if entry.name in self:
            raise ParameterError(f"a ranking method {entry.name!r} already exists; give yours another name")
        self._loaded[entry.name] = entry

    def _entry_points(self) -> dict[str, EntryPoint]:
        """Return the entry points of other packages by name, read once."""
        if self._plugins is None:
            from importlib.metadata import entry_points

            plugins = sorted(entry_points(group=GROUP), key=lambda plugin: (plugin.name, plugin.value))
            self._plugins = {plugin.name: plugin for plugin in reversed(plugins) if plugin.name not in BUILT_IN}
        return self._plugins


METHODS: Mapping[str, Method] = _Methods()
"""All ranking methods by name."""


def method(name: str) -> Method:
    """Return a method by name; ParameterError, which lists all methods, if it does not exist."""
    if name not in METHODS:
        raise ParameterError(f"no ranking method {name!r}; the methods are: {', '.join(METHODS)}")
    return METHODS[name]


def register(entry: Method) -> Method:
    """Register a method in this process, for :func:`rank` and everything else that names methods; return it.

    To register methods for every process, including the command line, a package defines an entry point of the
    group ``onegrain.methods`` that refers to a :class:`~onegrain.rankings.Method`.

    Raises:
        ParameterError: a method of that name exists.
    """
    assert isinstance(METHODS, _Methods)
    METHODS.add(entry)
    return entry


def _load(address: str) -> Any:
    module, _, attribute = address.partition(":")
    return getattr(import_module(module), attribute)


def _required(entry: EntryPoint) -> Method:
    """Return the method that an entry point refers to; ParameterError if it is not a method of that name."""
    from onegrain.rankings.request import Method

    try:
        loaded = entry.load()
    except Exception as error:
        raise ParameterError(
            f"the ranking method {entry.name!r} of {entry.value} cannot be loaded ({error}); repair or "
            "uninstall the package that registers it"
        ) from error
    if not isinstance(loaded, Method) or loaded.name != entry.name:
        raise ParameterError(
            f"{entry.value} is registered as the ranking method {entry.name!r} but is not a Method of that "
            "name; repair or uninstall the package that registers it"
        )
    return loaded
