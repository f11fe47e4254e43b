"""The subwords that a model writes for a text, each with its log-probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from onegrain.errors import ParameterError
from onegrain.models.continuing import prompt_rows
from onegrain.models.loaded import LoadedModel
from onegrain.models.passing import Rows, reading_rows
from onegrain.models.translating import asking_criteria, decoder_start, generating_by, generation_settings
from onegrain.records.corpus import Corpus

__all__ = ["WrittenText", "write_text"]


@dataclass(frozen=True, eq=False)
class WrittenText:
    """What a model writes for one text.

    Attributes:
        ids: the subwords, with the one that ends the text if the model writes it.
        subwords: the same as text, as the tokenizer decodes each alone; special subwords by their names.
        log_probabilities: of each subword given the text and the subwords before it, in nats.
    """

    ids: tuple[int, ...]
    subwords: tuple[str, ...]
    log_probabilities: Float64[np.ndarray, " subwords"]


@torch.no_grad()
def write_text(
    loaded: LoadedModel, text: Corpus, *, max_new_tokens: int = 40, ids: Sequence[int] | None = None
) -> WrittenText:
    """Return what a model writes for one text by greedy search, subword by subword, with log-probabilities.

    A language model continues the text, a translation model translates it; the subwords are those of
    :meth:`LoadedModel.continue_prompts` and :meth:`LoadedModel.translate`. Edits of the model apply as they do
    there, at the prompt or the generated part too.

    Args:
        loaded: a language model or a translation model.
        text: a corpus of one sentence.
        max_new_tokens: the largest number of subwords.
        ids: subwords that the model has to write in place of its choice, to learn how likely they are.

    Raises:
        ParameterError: the model writes no text, or there is not one sentence.
        CorpusError: the text has no words, or fills all positions of the model.
    """
    if loaded.task == "encoder":
        raise ParameterError(f"{loaded.identity.id} is an encoder: it neither continues nor translates a text")
    if text.n_sentences != 1:
        raise ParameterError(f"one text is written for at a time, got {text.n_sentences}")
    translates = loaded.task == "translation"
    rows, words, start = _prompt(loaded, text)
    longest = loaded.longest_on("target" if translates else "source")
    most = max_new_tokens if longest is None else min(max_new_tokens, longest - len(start or rows[0]))
    most = min(most, 2 * len(rows[0]) + 10) if translates else most
    most = most if ids is None else len(ids)
    settings = GenerationConfig(**generation_settings(loaded, 1), max_new_tokens=most)
    forced = [] if ids is None else [_Forced(ids, len(start or rows[0]))]
    options: dict[str, Any] = (
        {"decoder_input_ids": torch.tensor([start], device=loaded.device)} if start else {}
    )
    if not most:
        return WrittenText((), (), np.empty(0))
    with (
        reading_rows(Rows(text, np.zeros(1, dtype=np.int64), {"source": words})),
        generating_by(loaded.model, settings),
    ):
        generated = type(loaded.model).generate(
            loaded.model,
            **loaded.batch(rows),
            **options,
            generation_config=settings,
            logits_processor=LogitsProcessorList(forced),
            stopping_criteria=asking_criteria(),
            return_dict_in_generate=True,
            output_logits=True,
        )
    written = generated.sequences[0, len(start or rows[0]) :].tolist()
    logits = torch.stack([step[0] for step in generated.logits]).double()
    scores = logits.log_softmax(-1)[range(len(written)), written].cpu().numpy()
    return WrittenText(tuple(written), tuple(_shown(loaded, id) for id in written), scores)


def _prompt(loaded: LoadedModel, text: Corpus) -> tuple[list[list[int]], list[list[int]], list[int]]:
    """Return the ids that are read, the word of each, and the ids with which a decoder starts."""
    if loaded.task == "language model":
        loaded.require_loss()
        rows, words = prompt_rows(loaded, text)
        return rows, words, []
    loaded.require_translation()
    (encoded,) = loaded.encode(list(text.sentences()), text.forms())
    loaded.require_fitting(text, [encoded.ids])
    return [encoded.ids], [encoded.word_of], decoder_start(loaded)


def _shown(loaded: LoadedModel, id: int) -> str:
    return str(loaded.tokenizer.decode([id], clean_up_tokenization_spaces=False))


class _Forced(LogitsProcessor):
    """Scores that leave the search no choice but the given subwords."""

    def __init__(self, ids: Sequence[int], start: int) -> None:
        self._ids, self._start = ids, start

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        wanted = self._ids[input_ids.shape[1] - self._start]
        chosen: Tensor = torch.full_like(scores, -torch.inf)
        chosen[:, wanted] = 0.0
        return chosen
