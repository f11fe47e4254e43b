"""The loaded model that the other stages work with: it reads, scores, translates and describes itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch

from onegrain.core.describing import Described
from onegrain.core.progress import Progress, automatic
from onegrain.errors import ModelError, ParameterError
from onegrain.models.causality import is_causal
from onegrain.models.classes import Task
from onegrain.models.continuing import continue_prompts
from onegrain.models.failures import few_of
from onegrain.models.heads import Head, HeadKind, load_head
from onegrain.models.running import RunningModel
from onegrain.models.scoring import sentence_losses
from onegrain.models.sites import module_point
from onegrain.models.translating import generation_settings, translate
from onegrain.models.word_losses import WordLosses, word_losses
from onegrain.records.corpus import Corpus

__all__ = ["LoadedModel", "Task"]


@dataclass(frozen=True, eq=False, repr=False)
class LoadedModel(Described, RunningModel):
    """A model in evaluation mode, its tokenizer, and its sites, which scores and translates sentences.

    Its attributes are those of :class:`~onegrain.models.running.RunningModel`.
    """

    @cached_property
    def causal(self) -> bool:
        """True if a source word sees only the words before it, as in language models.

        A translation model's encoder sees the whole sentence; see :attr:`decoder_causal` for the target side.
        """
        return is_causal(self)

    @cached_property
    def decoder_causal(self) -> bool:
        """True if a translation model's decoder sees only the subwords before a subword, found by trying."""
        return is_causal(self, "target")

    @cached_property
    def _heads(self) -> dict[HeadKind, Head]:
        return {}

    def head(self, kind: HeadKind) -> Head:
        """Return a head on this encoder's body, loaded from the model's folder when it is first asked for.

        Raises:
            ParameterError: the model is not an encoder, or is spread over devices.
            ModelError: the checkpoint has no such head.
        """
        if kind not in self._heads:
            self._heads[kind] = load_head(self, kind)
        return self._heads[kind]

    def summary(self) -> dict[str, Any]:
        """Return the facts: architecture, task, the hash of the weights, and the number of named sites."""
        return {
            "record": "model",
            "id": self.identity.id,
            "architecture": self.identity.architecture,
            "task": self.task,
            "weights": self.identity.weight_hash,
            "sites": len(self.points),
        }

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per site: ``site``, ``width`` and whose ``words`` it reads, ``source`` or ``target``.

        For a model without named sites, the rows are the modules that can be sites.
        """
        if self.points:
            space = self.space(list(self.points))
            widths = dict(zip(space.sites, space.widths, strict=True))
        else:
            widths = self.module_widths()
        points = [self.points.get(site) or module_point(self.model, site) for site in widths]
        sides = [point.side for point in points]
        return pd.DataFrame({"site": list(widths), "width": list(widths.values()), "words": sides})

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the ``sites``."""
        return {"sites": self.to_pandas()}

    def sentence_losses(
        self, corpus: Corpus, *, batch_size: int = 64, progress: Progress = automatic
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return negative log-likelihood (nats, float64) and predicted subwords (int64) of each sentence."""
        self.require_loss()
        return sentence_losses(self, corpus, batch_size, progress)

    def word_losses(
        self, corpus: Corpus, *, batch_size: int = 64, progress: Progress = automatic
    ) -> WordLosses:
        """Return the negative log-likelihood of each predicted word, in nats; see :class:`WordLosses`."""
        self.require_loss()
        return word_losses(self, corpus, batch_size, progress)

    def require_loss(self) -> None:
        """Check that the model predicts subwords.

        Raises:
            ParameterError: the model is an encoder, or a subword sees the subwords after it.
            ModelError: the output layer is not in the checkpoint.
        """
        if self.task == "encoder":
            raise ParameterError(f"{self.identity.id} is neither a language model nor a translation model")
        self._require_output()
        if not (self.decoder_causal if self.task == "translation" else self.causal):
            raise ParameterError(
                f"{self.identity.id} ({self.identity.architecture}) does not read from left to right: a "
                "subword sees what follows it, so what it is to predict is known to it"
            )

    @torch.no_grad()
    def _require_output(self) -> None:
        """Check that predictions do not depend on parts that were left out."""
        if not self.lacking:
            return
        row = [self.pad_id] * 2
        if bool(self.forward([row], [row] if self.task == "translation" else None).logits.isnan().any()):
            raise ModelError(
                f"{self.identity.id} predicts nothing: its output layer is not in the checkpoint, which lacks "
                + few_of(self.lacking)
            )

    def require_translation(self) -> None:
        """Check that the model translates.

        Raises:
            ParameterError: it is not a translation model.
            ModelError: the output layer is not in the checkpoint.
        """
        if self.task != "translation":
            raise ParameterError(f"{self.identity.id} is not a translation model, but a {self.task}")
        self._require_output()

    def translate(
        self,
        corpus: Corpus,
        *,
        beams: int = 1,
        max_new_tokens: int = 128,
        batch_size: int = 64,
        progress: Progress = automatic,
    ) -> list[str]:
        """Return the translation of every sentence, as text decoded by the tokenizer.

        Raises:
            ParameterError: the model does not translate.
            CorpusError: a sentence is longer than the model reads.
        """
        self.require_translation()
        return translate(self, corpus, beams, max_new_tokens, batch_size, progress)

    def continue_prompts(
        self,
        corpus: Corpus,
        *,
        beams: int = 1,
        max_new_tokens: int = 128,
        batch_size: int = 64,
        progress: Progress = automatic,
    ) -> list[str]:
        """Return what a language model writes after every sentence, as text decoded by the tokenizer.

        Raises:
            ParameterError: the model is not a language model, or does not read from left to right.
            CorpusError: a prompt has no words, or fills all positions of the model.
        """
        if self.task != "language model":
            raise ParameterError(f"{self.identity.id} continues no text, because its task is: {self.task}")
        self.require_loss()
        return continue_prompts(self, corpus, beams, max_new_tokens, batch_size, progress)

    def generation_settings(self, beams: int = 1) -> dict[str, Any]:
        """Return the settings of the search; the generation settings of the model's folder are ignored."""
        return generation_settings(self, beams)
