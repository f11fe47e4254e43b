from __future__ import annotations

import re
import subprocess
import sys

import pytest

from onegrain.errors import InputError, ParameterError
from onegrain.metrics import BLEU, METRICS, ChrF, Metric, Perplexity, create_metric, find_metric, metric_title
from onegrain.metrics.registry import is_logarithmic, metric_parameters
from onegrain.models import LoadedModel
from support.corpora import metric_for
from support.tiny import parallel_corpus, plain_corpus


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_has_the_name_it_is_registered_under(name: str) -> None:
    metric = metric_for(name)
    assert isinstance(metric, Metric)
    assert metric.name == name
    assert metric.corpus.n_sentences == 8


@pytest.mark.parametrize("name", METRICS)
def test_metrics_that_need_translations_say_so(name: str) -> None:
    if find_metric(name).needs_target:
        with pytest.raises(ParameterError, match="no parallel side"):
            metric_for(name, parallel=False)
    else:
        assert metric_for(name, parallel=False).corpus.target is None


def test_direction_of_each_metric() -> None:
    lower = {name for name in METRICS if not metric_for(name).higher_is_better}
    assert lower == {"perplexity", "document_perplexity", "pseudo_perplexity", "kl_divergence"}
    assert {name for name in METRICS if is_logarithmic(name, True)} == lower - {"kl_divergence"}


def test_names_lead_to_classes() -> None:
    assert [find_metric(name) for name in ("perplexity", "bleu", "chrf")] == [Perplexity, BLEU, ChrF]
    with pytest.raises(ParameterError, match="no metric 'ter'; the metrics are: perplexity, bleu, chrf, docu"):
        find_metric("ter")


def test_parameters_reach_the_metric() -> None:
    assert create_metric("chrf", parallel_corpus(), beams=3, lowercase=True).parameters["beams"] == 3
    assert metric_parameters("perplexity") == ()
    with pytest.raises(ParameterError, match="chrf has no parameter tokenize; it takes: beams, lowercase"):
        create_metric("chrf", parallel_corpus(), tokenize="13a")
    with pytest.raises(ParameterError, match="perplexity has no parameter beams; it takes none"):
        create_metric("perplexity", plain_corpus(), beams=2)
    with pytest.raises(ParameterError, match="log_probability_difference needs first and second"):
        create_metric("log_probability_difference", plain_corpus())


def test_every_metric_has_the_title_that_readers_know() -> None:
    titles = {name: (metric_title(name), metric_title(name, first=True)) for name in METRICS}
    assert titles == {
        "perplexity": ("perplexity", "Perplexity"),
        "bleu": ("BLEU", "BLEU"),
        "chrf": ("chrF", "chrF"),
        "document_perplexity": ("document perplexity", "Document perplexity"),
        "pseudo_perplexity": ("pseudo-perplexity", "Pseudo-perplexity"),
        "accuracy": ("accuracy", "Accuracy"),
        "minimal_pairs": ("minimal pairs", "Minimal pairs"),
        "minimal_pair_difference": ("minimal pair difference", "Minimal pair difference"),
        "log_probability_difference": ("log-probability difference", "Log-probability difference"),
        "kl_divergence": ("KL divergence", "KL divergence"),
    }
    assert metric_title("ter") == "ter"


def test_titles_are_read_without_torch() -> None:
    code = (
        "import sys; from onegrain.metrics import METRICS, metric_title; metric_title('bleu'); "
        "print(sorted({'torch', 'sacrebleu'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("name", METRICS)
def test_a_model_that_cannot_give_a_metric_is_refused_before_it_runs(
    models: dict[str, LoadedModel], name: str
) -> None:
    givers = {
        "perplexity": {"nlm", "nmt", "gpt2"}, "kl_divergence": {"nlm", "nmt", "gpt2"}, "bleu": {"nmt"},
        "chrf": {"nmt"}, "minimal_pairs": {"nmt"}, "minimal_pair_difference": {"nmt"},
        "document_perplexity": {"nlm", "gpt2"}, "log_probability_difference": {"nlm", "gpt2"},
    }  # fmt: skip
    metric = metric_for(name)
    for kind, loaded in models.items():
        if kind in givers.get(name, set()):
            metric.require(loaded)
        else:
            with pytest.raises(InputError) as refused:
                metric.require(loaded)
            with pytest.raises(type(refused.value), match=re.escape(str(refused.value))):
                metric.measure(loaded)
