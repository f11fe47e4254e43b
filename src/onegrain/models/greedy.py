"""Greedy search in which a row leaves the batch as soon as it is finished."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from onegrain.core.interruption import check_interruption
from onegrain.models.passing import announce_step
from onegrain.models.running import RunningModel
from onegrain.models.stacking import reading_part

__all__ = ["greedy_search"]

STILL_RUNNING = 0.85
"""Finished rows are taken out of the batch when fewer than this share of its rows is running."""


@torch.no_grad()
def greedy_search(
    loaded: RunningModel,
    rows: Sequence[Sequence[int]],
    limits: Sequence[int],
    start: Sequence[int],
    settings: dict[str, Any],
) -> list[list[int]]:
    """Return what ``generate`` writes for each row with these settings: the start, subwords and perhaps an end.

    Args:
        loaded: a translation model.
        rows: the ids that the encoder reads.
        limits: the largest number of subwords to write for each row.
        start: the ids that the decoder reads before it writes.
        settings: those of :func:`onegrain.models.translating.generation_settings`, for one beam.
    """
    model, first = loaded.model, list(start)
    inputs = loaded.batch(rows)
    encoded: Tensor = model.get_encoder()(**inputs)[0]
    batch = _Batch(model, encoded, inputs["attention_mask"], len(rows))
    banned = [ids[0] for ids in settings.get("bad_words_ids", [])]
    ends = _ends(settings["eos_token_id"], encoded.device)
    most = torch.as_tensor(np.asarray(limits, dtype=np.int64), device=encoded.device)
    written = torch.zeros((len(rows), max(limits, default=0)), dtype=torch.int64, device=encoded.device)
    lengths = torch.zeros_like(most)
    running = torch.ones(len(rows), dtype=torch.bool, device=encoded.device)
    step_ids = torch.tensor([first] * len(rows), device=encoded.device)
    for step in range(written.shape[1]):
        check_interruption()
        announce_step(model, len(first) + step, first=step == 0)
        scores = batch.scores(step_ids)
        if banned:
            scores[:, banned] = -torch.inf
        chosen = scores.argmax(-1)
        active = batch.alive[running[batch.alive]]
        written[active, step] = chosen[running[batch.alive]]
        lengths[active] = step + 1
        running[batch.alive] &= ~torch.isin(chosen, ends) & (step + 1 < most[batch.alive])
        keep = running[batch.alive].nonzero()[:, 0]
        if not len(keep):
            break
        if len(keep) < STILL_RUNNING * len(chosen):
            batch.keep(keep)
            chosen = chosen[keep]
        step_ids = chosen[:, None]
    return [first + ids[:length] for ids, length in zip(written.tolist(), lengths.tolist(), strict=True)]


class _Batch:
    """The rows that are in the batch, with the state of their decoder."""

    def __init__(self, model: Any, encoded: Tensor, mask: Tensor, rows: int) -> None:
        self._model, self._encoded, self._mask = model, encoded, mask
        self._state: Any = None
        self.alive = torch.arange(rows, device=encoded.device)

    def scores(self, ids: Tensor) -> Tensor:
        """Run one step; return the scores of the next subword, float32 (rows, vocabulary)."""
        with reading_part(self.alive.cpu().numpy()):
            output = self._model(
                encoder_outputs=BaseModelOutput(last_hidden_state=self._encoded),
                attention_mask=self._mask,
                decoder_input_ids=ids,
                past_key_values=self._state,
                use_cache=True,
            )
        self._state = output.past_key_values
        scores: Tensor = output.logits[:, -1].float()
        return scores

    def keep(self, rows: Tensor) -> None:
        """Take out all rows but some, int64, ascending."""
        self.alive, self._encoded, self._mask = self.alive[rows], self._encoded[rows], self._mask[rows]
        self._state.reorder_cache(rows)


def _ends(ends: int | list[int] | None, device: torch.device) -> Tensor:
    listed = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
    return torch.tensor(listed, dtype=torch.int64, device=device)
