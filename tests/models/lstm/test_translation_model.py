from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import AutoModelForSeq2SeqLM

from onegrain.errors import ParameterError
from onegrain.models import LoadedModel, LSTMTranslationConfig, LSTMTranslationModel, load_model
from support.tiny import parallel_corpus, tiny_nmt

Rows = list[list[int]]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(tiny_nmt(tmp_path_factory.mktemp("models") / "nmt"), device="cpu")


@pytest.fixture(scope="module")
def rows(loaded: LoadedModel) -> Rows:
    return [encoded.ids for encoded in loaded.encode(list(parallel_corpus().sentences()))]


@pytest.fixture(scope="module")
def targets(loaded: LoadedModel) -> Rows:
    target = parallel_corpus().target
    assert target is not None
    return [encoded.ids for encoded in loaded.encode(list(target.sentences()))]


def logits_alone(model: LSTMTranslationModel, source: list[int], target: list[int]) -> Tensor:
    start = [model.config.decoder_start_token_id, *target[:-1]]
    return model(torch.tensor([source]), decoder_input_ids=torch.tensor([start])).logits[0]


@torch.no_grad()
def test_the_encoder_is_a_packed_bidirectional_lstm(loaded: LoadedModel, rows: Rows) -> None:
    encoder = loaded.model.encoder
    width = loaded.model.config.hidden_size
    reference = nn.LSTM(width, width // 2, num_layers=2, bidirectional=True, batch_first=True)
    for number, layer in enumerate(encoder.layers):
        for lstm, suffix in ((layer.forward_lstm, ""), (layer.backward_lstm, "_reverse")):
            for name, weight in lstm.named_parameters():
                getattr(reference, name.replace("_l0", f"_l{number}{suffix}")).copy_(weight)
    inputs = loaded.batch(rows)
    lengths = inputs["attention_mask"].sum(1)
    packed = pack_padded_sequence(
        encoder.embeddings(inputs["input_ids"]), lengths, batch_first=True, enforce_sorted=False
    )
    expected, _ = pad_packed_sequence(reference(packed)[0], batch_first=True)
    states = encoder(**inputs).last_hidden_state
    real = inputs["attention_mask"].bool()
    torch.testing.assert_close(states[real], expected[real])


def decode_by_hand(model: LSTMTranslationModel, encoded: Tensor, ids: list[int]) -> Tensor:
    """The decoder for one sentence, (time, vocabulary), with ``nn.LSTMCell`` and nothing batched."""
    decoder = model.decoder
    width = model.config.hidden_size
    ends = torch.cat([encoded[-1, : width // 2], encoded[0, width // 2 :]])
    parts = torch.tanh(decoder.bridge(ends)).split(width)
    state = [(parts[2 * n], parts[2 * n + 1]) for n in range(len(decoder.layers))]
    cells = []
    for number, layer in enumerate(decoder.layers):
        weight, bias = layer.recurrent.weight.clone(), layer.recurrent.bias.clone()
        bias[width : 2 * width] += 1.0
        known = decoder.input_gates.weight if number == 0 else weight.new_zeros(4 * width, 0)
        cell = nn.LSTMCell(width + known.shape[1], width)
        # nn.LSTMCell has its gates as i, f, g, o; ours are i, f, o, g
        places = torch.arange(4 * width).reshape(4, width)[[0, 1, 3, 2]].flatten()
        cell.weight_ih.copy_(torch.cat([weight[:, :width], known], dim=1)[places])
        cell.weight_hh.copy_(weight[:, width:][places])
        cell.bias_ih.copy_(bias[places])
        cell.bias_hh.zero_()
        cells.append(cell)
    vector, steps = torch.zeros(width), []
    for token in ids:
        below = torch.cat([vector, decoder.embeddings.weight[token]])
        for number, cell in enumerate(cells):
            state[number] = cell(below, state[number])
            below = state[number][0]
        scores = torch.stack([below @ decoder.attention_keys.weight @ word for word in encoded])
        context = F.softmax(scores, dim=0) @ encoded
        vector = torch.tanh(decoder.attention_output.weight @ torch.cat([context, below]))
        steps.append(model.lm_head.weight @ vector)
    return torch.stack(steps)


@torch.no_grad()
def test_the_decoder_is_luong_attention_with_input_feeding(
    loaded: LoadedModel, rows: Rows, targets: Rows
) -> None:
    encoded = loaded.model.encoder(torch.tensor([rows[1]])).last_hidden_state[0]
    start = [loaded.model.config.decoder_start_token_id, *targets[1][:-1]]
    expected = decode_by_hand(loaded.model, encoded, start)
    torch.testing.assert_close(logits_alone(loaded.model, rows[1], targets[1]), expected)


@torch.no_grad()
def test_saving_and_loading_keeps_every_bit(
    loaded: LoadedModel, rows: Rows, targets: Rows, tmp_path: Path
) -> None:
    loaded.model.save_pretrained(tmp_path)
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()
    assert type(again) is LSTMTranslationModel
    before, after = (logits_alone(model, rows[0], targets[0]) for model in (loaded.model, again))
    assert torch.equal(before, after)
    assert again.lm_head.weight.data_ptr() == again.decoder.embeddings.weight.data_ptr()


@torch.no_grad()
def test_padding_on_either_side_gives_the_logits_of_each_pair_alone(
    loaded: LoadedModel, rows: Rows, targets: Rows
) -> None:
    labels = loaded.batch(targets)
    labels = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
    right = loaded.model(**loaded.batch(rows), labels=labels).logits
    width = max(map(len, rows))
    ids = torch.tensor([[loaded.pad_id] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    left = loaded.model(input_ids=ids, attention_mask=mask, labels=labels).logits
    for number, (row, target) in enumerate(zip(rows, targets, strict=True)):
        alone = logits_alone(loaded.model, row, target)
        torch.testing.assert_close(right[number, : len(target)], alone)
        torch.testing.assert_close(left[number, : len(target)], alone)


@torch.no_grad()
@pytest.mark.parametrize("use_cache", [True, False])
def test_greedy_generation_is_argmax_over_full_passes(loaded: LoadedModel, rows: Rows, use_cache: bool) -> None:
    model = loaded.model
    generated = model.generate(**loaded.batch(rows), max_new_tokens=12, do_sample=False, use_cache=use_cache)
    for row, generated_ids in zip(rows, generated.tolist(), strict=True):
        ids = [model.config.decoder_start_token_id]
        while len(ids) <= 12 and ids[-1] != model.config.eos_token_id:
            step = model(torch.tensor([row]), decoder_input_ids=torch.tensor([ids])).logits[0, -1]
            ids.append(int(step.argmax()))
        assert generated_ids[: len(ids)] == ids


@torch.no_grad()
def test_beam_search_returns_the_log_probability_of_what_it_made(loaded: LoadedModel, rows: Rows) -> None:
    generated = loaded.model.generate(
        **loaded.batch(rows[:3]),
        num_beams=4,
        num_return_sequences=2,
        max_new_tokens=6,
        min_new_tokens=6,
        length_penalty=0.0,
        output_scores=True,
        return_dict_in_generate=True,
    )
    for number, (ids, score) in enumerate(zip(generated.sequences, generated.sequences_scores, strict=True)):
        source = torch.tensor([rows[number // 2]])
        logits = loaded.model(source, decoder_input_ids=ids[None, :-1]).logits[0].log_softmax(-1)
        total = logits.gather(1, ids[1:, None]).sum()
        torch.testing.assert_close(score, total, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_beams_do_not_find_worse_translations_than_greedy(loaded: LoadedModel, rows: Rows) -> None:
    model = loaded.model
    options = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False}

    def score(ids: Tensor) -> Tensor:
        logits = model(torch.tensor([rows[0]]), decoder_input_ids=ids[None, :-1]).logits[0]
        return logits.log_softmax(-1).gather(1, ids[1:, None]).sum()

    greedy = model.generate(**loaded.batch(rows[:1]), num_beams=1, **options)[0]
    beams = model.generate(**loaded.batch(rows[:1]), num_beams=30, **options)[0]
    assert score(beams) >= score(greedy) - 1e-5


@torch.no_grad()
def test_the_loss_is_the_mean_over_real_subwords(loaded: LoadedModel, rows: Rows, targets: Rows) -> None:
    labels = loaded.batch(targets)
    labels = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
    loss = loaded.model(**loaded.batch(rows), labels=labels).loss
    each = [
        F.cross_entropy(logits_alone(loaded.model, row, target), torch.tensor(target), reduction="none")
        for row, target in zip(rows, targets, strict=True)
    ]
    torch.testing.assert_close(loss, torch.cat(each).mean())


@torch.no_grad()
def test_nothing_to_decode_is_refused(loaded: LoadedModel) -> None:
    with pytest.raises(ParameterError, match="decoder_input_ids or labels"):
        loaded.model(torch.tensor([[5, 2]]))


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ParameterError, match="odd"):
        LSTMTranslationConfig(hidden_size=7)
