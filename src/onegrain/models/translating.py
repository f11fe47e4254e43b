"""Translation of a corpus with ``generate``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from onegrain.core.interruption import check_interruption, is_interruptible
from onegrain.core.progress import Progress
from onegrain.models.batching import by_length
from onegrain.models.greedy import greedy_search
from onegrain.models.padding import losses_need_equal_rows
from onegrain.models.passing import Rows, reading_rows
from onegrain.models.running import RunningModel
from onegrain.models.stacking import RowPass, run_rows
from onegrain.records.corpus import Corpus

__all__ = ["asking_criteria", "decoder_start", "generating_by", "generation_settings", "translate"]


@torch.no_grad()
def translate(
    loaded: RunningModel,
    corpus: Corpus,
    beams: int,
    max_new_tokens: int,
    batch_size: int,
    progress: Progress,
) -> list[str]:
    """Translate every sentence, greedily (``beams`` 1) or by beam search.

    A translation is cut at twice the length of its source plus ten subwords, and at ``max_new_tokens``, because
    a model with erased neurons may never end a sentence. It does not depend on the other sentences of a batch.
    Of the folder's generation settings only the token ids are used; see :func:`generation_settings`.

    Raises:
        CorpusError: a sentence is longer than the model reads.
    """
    sources = loaded.encode(list(corpus.sentences()), corpus.forms())
    rows = [encoded.ids for encoded in sources]
    lengths, start = [len(row) for row in rows], decoder_start(loaded)
    loaded.require_fitting(corpus, rows)
    longest, search = loaded.longest_on("target"), generation_settings(loaded, beams)
    most = max_new_tokens if longest is None else min(max_new_tokens, longest - len(start))
    translations = [""] * len(rows)
    with progress("translate", len(rows), "sentences") as advance:
        for batch in by_length(lengths, batch_size, alike=lengths if losses_need_equal_rows(loaded) else None):
            limited = [(rows[i], min(most, 2 * len(rows[i]) + 10)) for i in batch]
            reading = Rows(corpus, batch, {"source": [sources[i].word_of for i in batch]})
            with reading_rows(reading):
                (kept,) = run_rows(_request(loaded, limited, start, search))
            texts = loaded.tokenizer.batch_decode(
                kept, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            for sentence, text in zip(batch, texts, strict=True):
                translations[int(sentence)] = text.strip()
            advance(len(batch))
    return translations


Limited = tuple[list[int], int]
"""The ids of a sentence, and the largest number of subwords to write for it."""


def _request(loaded: RunningModel, limited: list[Limited], start: list[int], search: dict[str, Any]) -> RowPass:
    """Return the pass that translates rows: by ``generate``, or greedily for the rows of many variants."""

    def generate(rows: Sequence[Limited]) -> tuple[list[list[int]]]:
        # one more than is kept, as some models force an end at the last one
        settings = GenerationConfig(**search, max_new_tokens=max(limit for _, limit in rows) + 1)
        started = torch.tensor([start] * len(rows), device=loaded.device)
        with generating_by(loaded.model, settings):
            generated = type(loaded.model).generate(
                loaded.model,
                **loaded.batch([row for row, _ in rows]),
                decoder_input_ids=started,
                generation_config=settings,
                stopping_criteria=asking_criteria(),
            )
        kept = [ids[: len(start) + limit] for ids, (_, limit) in zip(generated.tolist(), rows, strict=True)]
        return ([_until_end(ids, len(start), search["eos_token_id"]) for ids in kept],)

    def search_greedily(rows: Sequence[Limited]) -> tuple[list[list[int]]]:
        ids, limits = [row for row, _ in rows], [limit for _, limit in rows]
        return (greedy_search(loaded, ids, limits, start, search),)

    return RowPass(
        limited,
        generate,
        max(len(row) for row, _ in limited),
        prefix=lambda rows: loaded.model.get_encoder()(**loaded.batch([row for row, _ in rows])),
        stacked=search_greedily if search["num_beams"] == 1 else None,
    )


def _until_end(ids: list[int], start: int, ends: int | list[int] | None) -> list[int]:
    """Return the ids up to the first end after the start, without the padding behind it."""
    known = ends if isinstance(ends, list) else [ends]
    places = (place for place in range(start, len(ids)) if ids[place] in known)
    return ids[: next(places, len(ids)) + 1]


def generation_settings(loaded: RunningModel, beams: int) -> dict[str, Any]:
    """Return the settings of a plain greedy or beam search, with the token ids that the folder names.

    Length penalties, bans of repeated words, sampling and other settings of the folder are left out. A padding
    token that the folder forbids to write (Marian) stays forbidden, as it is not part of a sentence.
    """
    folder = getattr(loaded.model, "generation_config", None)
    ends = [getattr(folder, "eos_token_id", None), loaded.tokenizer.eos_token_id]
    banned = getattr(folder, "bad_words_ids", None)
    settings: dict[str, Any] = {
        "num_beams": beams,
        "do_sample": False,
        "length_penalty": 1.0,
        "early_stopping": False,
        "eos_token_id": next((end for end in ends if end is not None), None),
        "pad_token_id": loaded.pad_id,
    }
    if loaded.task == "translation":
        settings["decoder_start_token_id"] = decoder_start(loaded)[0]
    return settings | ({"bad_words_ids": [[loaded.pad_id]]} if banned == [[loaded.pad_id]] else {})


@contextmanager
def generating_by(network: Any, settings: GenerationConfig) -> Iterator[None]:
    """Replace the model's generation settings, from which generate() would fill in missing ones."""
    before = network.generation_config
    network.generation_config = settings
    try:
        yield
    finally:
        network.generation_config = before


class _Asking(StoppingCriteria):
    """A criterion that never stops a row, and asks at every subword whether the work has to end."""

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> Any:
        check_interruption()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def asking_criteria() -> StoppingCriteriaList | None:
    """Return the criteria with which ``generate`` can be interrupted; None if nothing may interrupt it."""
    return StoppingCriteriaList([_Asking()]) if is_interruptible() else None


def decoder_start(loaded: RunningModel) -> list[int]:
    """Return the special subwords that the decoder reads before the first word: a start and perhaps a language.

    The output of ``generate`` begins with them.
    """
    (decoder_input,), (labels,) = loaded.encode_target([["a"]]), loaded.encode_labels([["a"]])
    return decoder_input.ids[: 1 + labels.word_of.index(0)]
