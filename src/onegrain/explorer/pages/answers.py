"""The answers to the four questions, a fragment that the overview loads after itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onegrain.explorer.addresses import PageQuery
from onegrain.explorer.figures import Figure, FigureTable, VegaChart
from onegrain.explorer.pages.page import Page, Shell, shell_of
from onegrain.explorer.state import Explorer
from onegrain.reports.blocks import Answer, Section
from onegrain.reports.rendering.pictures import chart_spec

__all__ = ["AnswerCard", "AnswersPage", "AnswersQuery", "answers"]


class AnswersQuery(PageQuery):
    """The state of the answers."""


@dataclass(frozen=True)
class AnswerCard:
    """The answer to one question.

    Attributes:
        question: the question.
        verdict: one sentence.
        value, unit, interval: the number that is set large, what it counts, and its interval; empty if unknown.
        cautions: reasons to doubt the verdict.
        figure: the name of its small chart among the page's figures; empty if it has none.
    """

    question: str
    verdict: str
    value: str
    unit: str
    interval: str
    cautions: tuple[str, ...]
    figure: str


@dataclass(frozen=True)
class AnswersPage(Page):
    """The answers that the records give; none if the places were named one by one or hold no such records."""

    query: AnswersQuery
    shell: Shell
    figures: tuple[Figure, ...]
    cards: tuple[AnswerCard, ...]


def answers(explorer: Explorer, query: AnswersQuery) -> AnswersPage:
    """Return the answers that the report of the same folder gives."""
    sections = explorer.collection.derived("answers", lambda: _sections(explorer.collection.folder))
    pairs = [(section, section.answer) for section in sections if section.answer is not None]
    return AnswersPage(
        title="Four questions",
        query=query,
        shell=shell_of(explorer, "answers", query),
        figures=tuple(_figure(section, answer) for section, answer in pairs if answer.chart is not None),
        cards=tuple(_card(section, answer) for section, answer in pairs),
    )


def _sections(folder: Path | None) -> list[Section]:
    if folder is None:
        return []
    # these load torch and the tests of scipy.stats, which would delay the first page
    from onegrain.reports.compose import answering_sections
    from onegrain.studies.gather import gather

    return answering_sections(gather(folder, stores={}))


def _card(section: Section, answer: Answer) -> AnswerCard:
    return AnswerCard(
        question=section.title,
        verdict=answer.verdict,
        value=answer.value,
        unit=answer.unit,
        interval=answer.interval,
        cautions=answer.cautions,
        figure="" if answer.chart is None else answer.chart.name,
    )


def _figure(section: Section, answer: Answer) -> Figure:
    assert answer.chart is not None
    table = FigureTable.of(
        ("question", "value", "unit", "interval"),
        [(section.title, answer.value, answer.unit, answer.interval)],
    )
    drawing = VegaChart(chart_spec(answer.chart.chart))
    return Figure(answer.chart.name, section.title, drawing, table, answer.chart.caption or answer.verdict)
