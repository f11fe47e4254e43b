"""Draw one record, or several in one chart, from the registry that reports read too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onegrain.errors import ParameterError
from onegrain.reports.charts.registry import CHARTS, TOGETHER, RecordChart

__all__ = ["charts_of", "plot"]


def plot(record: Any, chart: str | None = None) -> Any:
    """Return a chart of a record, as the report draws it.

    Args:
        record: a record, such as a Ranking, a Curve or a Sweep, or the Contrast of several models; or a
            mapping of names to rankings or to curves, which are drawn in one chart.
        chart: which chart. A ranking has ``layers`` (the sites of its top neurons) and, by label,
            ``label-layers``, ``effective`` (effective number of neurons), ``mass`` (weight mass of the largest
            neurons), ``sharing`` (labels per neuron) and ``overlaps`` (of labels' top sets); a probe's also
            ``grid`` (penalties), ``masking`` and ``retraining``; a cross-model ranking's ``correlations``. A
            curve has ``ablation``, a sweep ``edits`` (a panel for each kind of edit), ``keep`` (its line
            ``keep``) and ``merits`` (of its rankings under each edit), an evaluation ``comparison``, a
            stability ``ranks``, a contrast ``labels`` and ``layers``, a similarity ``sites``, clusters
            ``sizes``, control ``success``, a specificity ``damage``, effects ``effects``, a uniqueness
            ``rounds``, statistics with optimal constants ``constants``. Several rankings have ``layers`` and
            ``correlations``, several curves ``ablation``. By default the first of these that the record has.

    Returns:
        An Altair chart. It shows itself in a notebook; ``chart.save("layers.svg")`` writes it to a file.

    Raises:
        ParameterError: the record has no charts, or not this one; the message lists those that it has.

    >>> import onegrain
    >>> data = onegrain.planted(50)
    >>> ranking = onegrain.rank("probeless", data.activations, label="upos")
    >>> plot(ranking, "grid")
    Traceback (most recent call last):
    onegrain.errors.ParameterError: chart 'grid' needs ...; the charts of this Ranking are: ...
    """
    kinds = _charts_by_name(record)
    names = [name for name, kind in kinds.items() if kind.has(record)]
    what = _described(record)
    choice = f"the charts of this {what} are: {', '.join(names)}" if names else f"this {what} has no charts"
    if chart is not None and chart not in kinds:
        raise ParameterError(f"no chart {chart!r}; {choice}")
    if chart is not None and chart not in names:
        raise ParameterError(f"chart {chart!r} needs {kinds[chart].needs}; {choice}")
    if not names:
        needs = "; or ".join(f"{kind.needs} ({name})" for name, kind in kinds.items())
        raise ParameterError(f"{choice}; it would need {needs}")
    return kinds[chart or names[0]].of(record)


def charts_of(record: Any) -> dict[str, Any]:
    """Return all charts of a record by name, the first of them the default.

    Raises:
        ParameterError: records of this type have no charts.
    """
    return {name: kind.of(record) for name, kind in _charts_by_name(record).items() if kind.has(record)}


def _charts_by_name(record: Any) -> Mapping[str, RecordChart]:
    several = isinstance(record, Mapping)
    registry, members = (TOGETHER, list(record.values())) if several else (CHARTS, [record])
    for kind, charts in registry.items():
        if members and all(isinstance(member, kind) for member in members):
            return charts
    kinds = ", ".join(kind.__name__ for kind in registry)
    if several:
        raise ParameterError(f"records in a mapping are drawn in one chart if all are of one type of: {kinds}")
    raise ParameterError(f"a {type(record).__name__} has no charts; these records have: {kinds}")


def _described(record: Any) -> str:
    """Return the type of a record, or of the records of a mapping, for messages."""
    if not isinstance(record, Mapping):
        return type(record).__name__
    return f"mapping of {type(next(iter(record.values()))).__name__}"
