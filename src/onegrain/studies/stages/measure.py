"""Measure how well each model of a study predicts or translates its test corpus."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from onegrain.core.progress import Progress
from onegrain.core.sealing import write_sealed_json
from onegrain.metrics import BLEU, Perplexity, unigram_perplexity
from onegrain.studies.places import trained_first
from onegrain.studies.stages.stage import Stage, Step
from onegrain.studies.study import Study
from onegrain.studies.workspace import Workspace

__all__ = ["Measure"]


class Measure(Stage):
    """Measure every model that names a test corpus; the output is a JSON file of facts."""

    name = "measure"

    def plan(self, study: Study) -> Iterator[Step]:
        """Yield one step per model."""
        for name, model in study.models.items():
            if model.test is not None:
                recipe = {
                    "model": model.recipe(exclude={"sites"}),
                    "corpora": study.corpora_recipe(model.test, model.train),
                }
                needs = trained_first(study, name)
                yield Step(self, name, f"measures/{name}.json", recipe, needs, {"model": name})

    def perform(self, workspace: Workspace, step: Step, progress: Progress) -> None:
        """Write a model's perplexity, that of a unigram model, and BLEU for translation models."""
        name = step.entry["model"]
        source = workspace.study.models[name]
        loaded, test = workspace.model(name), workspace.corpus(str(source.test))
        facts: dict[str, Any] = {"kind": loaded.task, "neurons": loaded.space().size}
        facts["perplexity"] = Perplexity(test).measure(loaded, progress=progress).value
        if source.train is not None:
            unigram = unigram_perplexity(loaded, workspace.corpus(source.train), test)
            facts["unigram perplexity"] = unigram.value
        if loaded.task == "translation":
            bleu = BLEU(test).measure(loaded, progress=progress)
            facts |= {
                "BLEU": bleu.value, "BLEU low": bleu.low, "BLEU high": bleu.high, "signature": bleu.signature,
            }  # fmt: skip
        finite = {
            fact: None if isinstance(value, float) and not math.isfinite(value) else value
            for fact, value in sorted(facts.items())
        }
        write_sealed_json(workspace.out / step.output, {"record": "measures", **finite}, force=True)
