from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from onegrain.errors import ParameterError
from onegrain.models import LoadedModel, LSTMLanguageModel, LSTMLanguageModelConfig, load_model
from support.tiny import plain_corpus, tiny_nlm


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_nlm(tmp_path_factory.mktemp("models") / "nlm")


@pytest.fixture(scope="module")
def loaded(folder: Path) -> LoadedModel:
    return load_model(folder, device="cpu")


@pytest.fixture(scope="module")
def rows(loaded: LoadedModel) -> list[list[int]]:
    return [encoded.ids for encoded in loaded.encode(list(plain_corpus().sentences()))]


def greedy_by_hand(model: LSTMLanguageModel, prompt: list[int], steps: int) -> list[int]:
    ids = list(prompt)
    for _ in range(steps):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] == model.config.eos_token_id:
            break
    return ids


def left_padded(rows: list[list[int]], pad: int) -> tuple[Tensor, Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


@torch.no_grad()
def test_the_layers_are_a_plain_two_layer_lstm(loaded: LoadedModel, rows: list[list[int]]) -> None:
    model = loaded.model
    width = model.config.hidden_size
    reference = nn.LSTM(width, width, num_layers=2, batch_first=True)
    for number, layer in enumerate(model.layers):
        for name, weight in layer.lstm.named_parameters():
            getattr(reference, name.replace("_l0", f"_l{number}")).copy_(weight)
    ids = torch.tensor([rows[0]])
    expected = reference(model.embeddings(ids))[0] @ model.embeddings.weight.T
    torch.testing.assert_close(model(ids).logits, expected)


@torch.no_grad()
def test_saving_and_loading_keeps_every_bit(loaded: LoadedModel, rows: list[list[int]], tmp_path: Path) -> None:
    loaded.model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert type(again) is LSTMLanguageModel
    inputs = loaded.batch(rows)
    assert torch.equal(again(**inputs).logits, loaded.model(**inputs).logits)
    assert again.lm_head.weight.data_ptr() == again.embeddings.weight.data_ptr()


@torch.no_grad()
def test_untied_weights_are_saved_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = LSTMLanguageModelConfig(
        vocab_size=20, hidden_size=6, embedding_size=4, num_hidden_layers=1, tie_word_embeddings=False
    )
    model = LSTMLanguageModel(config).eval()
    model.save_pretrained(tmp_path)
    again = LSTMLanguageModel.from_pretrained(tmp_path).eval()
    ids = torch.tensor([[1, 5, 7, 2]])
    assert torch.equal(again(ids).logits, model(ids).logits)


@torch.no_grad()
def test_padding_on_either_side_gives_the_logits_of_each_sentence_alone(
    loaded: LoadedModel, rows: list[list[int]]
) -> None:
    alone = [loaded.model(torch.tensor([row])).logits[0] for row in rows]
    right = loaded.model(**loaded.batch(rows)).logits
    ids, mask = left_padded(rows, loaded.pad_id)
    left = loaded.model(input_ids=ids, attention_mask=mask).logits
    for number, row in enumerate(rows):
        torch.testing.assert_close(right[number, : len(row)], alone[number])
        torch.testing.assert_close(left[number, -len(row) :], alone[number])


@torch.no_grad()
def test_carried_state_equals_one_pass(loaded: LoadedModel, rows: list[list[int]]) -> None:
    ids = torch.tensor([rows[0]])
    unsplit = loaded.model(ids).logits
    first = loaded.model(ids[:, :4], use_cache=True)
    second = loaded.model(ids[:, 4:], past_key_values=first.past_key_values)
    torch.testing.assert_close(torch.cat([first.logits, second.logits], dim=1), unsplit)
    assert first.past_key_values.get_seq_length() == 4


@torch.no_grad()
@pytest.mark.parametrize("use_cache", [True, False])
def test_greedy_generation_is_argmax_over_full_passes(
    loaded: LoadedModel, rows: list[list[int]], use_cache: bool
) -> None:
    prompts = [row[:length] for row, length in zip(rows, (3, 7, 2, 5), strict=False)]
    expected = [greedy_by_hand(loaded.model, prompt, 12) for prompt in prompts]
    ids, mask = left_padded(prompts, loaded.pad_id)
    generated = loaded.model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=12, do_sample=False, use_cache=use_cache
    )
    for row, prompt, want in zip(generated.tolist(), prompts, expected, strict=True):
        assert row[ids.shape[1] - len(prompt) :][: len(want)] == want


@torch.no_grad()
def test_beam_search_returns_the_log_probability_of_what_it_made(
    loaded: LoadedModel, rows: list[list[int]]
) -> None:
    prompt = torch.tensor([rows[0][:3]])
    generated = loaded.model.generate(
        input_ids=prompt,
        attention_mask=torch.ones_like(prompt),
        num_beams=4,
        num_return_sequences=4,
        max_new_tokens=6,
        min_new_tokens=6,
        length_penalty=0.0,
        output_scores=True,
        return_dict_in_generate=True,
    )
    forbidden = loaded.model.config.eos_token_id
    for ids, score in zip(generated.sequences, generated.sequences_scores, strict=True):
        logits = loaded.model(ids[None, :-1]).logits[0, 2:].log_softmax(-1)
        total = logits.gather(1, ids[3:, None]).sum()
        assert forbidden not in ids[3:]
        torch.testing.assert_close(score, total, atol=1e-5, rtol=1e-5)


def test_the_loss_is_the_mean_over_real_subwords(loaded: LoadedModel, rows: list[list[int]]) -> None:
    inputs = loaded.batch(rows)
    labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
    with torch.no_grad():
        loss = loaded.model(**inputs, labels=labels).loss
        each = []
        for row in rows:
            log_p = loaded.model(torch.tensor([row])).logits[0].log_softmax(-1)
            each += [-float(log_p[number, row[number + 1]]) for number in range(len(row) - 1)]
    assert float(loss) == pytest.approx(sum(each) / len(each), rel=1e-5)


def test_widths_that_cannot_be_tied_are_refused() -> None:
    with pytest.raises(ParameterError, match="tie_word_embeddings=False"):
        LSTMLanguageModelConfig(hidden_size=8, embedding_size=4)
