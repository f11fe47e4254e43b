from __future__ import annotations

import subprocess
import sys

import pytest

from onegrain.errors import ParameterError
from onegrain.metrics import BLEU, METRICS, ChrF, Metric, Perplexity, create_metric, find_metric, metric_title
from onegrain.metrics.registry import metric_parameters
from support.tiny import parallel_corpus, plain_corpus


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_has_the_name_it_is_registered_under(name: str) -> None:
    metric = create_metric(name, parallel_corpus())
    assert isinstance(metric, Metric)
    assert metric.name == name
    assert metric.corpus.n_sentences == 8


@pytest.mark.parametrize("name", METRICS)
def test_metrics_that_need_translations_say_so(name: str) -> None:
    if find_metric(name).needs_target:
        with pytest.raises(ParameterError, match="no parallel side"):
            create_metric(name, plain_corpus())
    else:
        assert create_metric(name, plain_corpus()).corpus.target is None


def test_direction_of_each_metric() -> None:
    directions = {name: create_metric(name, parallel_corpus()).higher_is_better for name in METRICS}
    assert directions == {"perplexity": False, "bleu": True, "chrf": True}


def test_names_lead_to_classes() -> None:
    assert [find_metric(name) for name in ("perplexity", "bleu", "chrf")] == [Perplexity, BLEU, ChrF]
    with pytest.raises(ParameterError, match="no metric 'ter'; the metrics are: perplexity, bleu, chrf"):
        find_metric("ter")


def test_parameters_reach_the_metric() -> None:
    assert create_metric("chrf", parallel_corpus(), beams=3, lowercase=True).parameters["beams"] == 3
    assert metric_parameters("perplexity") == ()
    with pytest.raises(ParameterError, match="chrf has no parameter tokenize; it takes: beams, lowercase"):
        create_metric("chrf", parallel_corpus(), tokenize="13a")
    with pytest.raises(ParameterError, match="perplexity has no parameter beams; it takes none"):
        create_metric("perplexity", plain_corpus(), beams=2)


def test_every_metric_has_the_title_that_readers_know() -> None:
    assert [metric_title(name) for name in METRICS] == ["perplexity", "BLEU", "chrF"]
    assert [metric_title(name, first=True) for name in METRICS] == ["Perplexity", "BLEU", "chrF"]
    assert metric_title("ter") == "ter"


def test_titles_are_read_without_torch() -> None:
    code = (
        "import sys; from onegrain.metrics import METRICS, metric_title; metric_title('bleu'); "
        "print(sorted({'torch', 'sacrebleu'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
