"""A translation model whose weights are set by hand, so that it is known which neuron decides which word.

It translates ``the big dogs sleep`` as ``chiens alors ici et maintenant``: the noun, then four words that are
always the same. Both directions of its encoder have no memory. The units of ``encoder.layers.0`` are:

- 0: above 0 at plural nouns and verbs, below 0 at singular ones; the decoder reads the number from it;
- 1: the same values, which the decoder does not read;
- 2: above 0 at forms of *cat*, below 0 at forms of *dog*; the decoder reads the noun from it;
- all others: 0.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import torch

from onegrain.models import LSTMTranslationConfig, LSTMTranslationModel
from onegrain.models.lstm.tokenization import train_tokenizer
from onegrain.records.corpus import Corpus
from onegrain.records.value_change import ValueChange

__all__ = ["NOUN", "NUMBER", "SITE", "UNREAD", "controlled_change", "controlled_corpus", "controlled_nmt"]

SITE = "encoder.layers.0"
NUMBER, UNREAD, NOUN = (f"{SITE}:{unit}" for unit in range(3))

WIDTH = 16
HALF = WIDTH // 2
TAIL = ("alors", "ici", "et", "maintenant")
NOUNS = {"dog": ("dog", "dogs"), "cat": ("cat", "cats")}
FRENCH = {"dog": ("chien", "chiens"), "cat": ("chat", "chats")}
VERBS = (("sleeps", "sleep"), ("runs", "run"), ("eats", "eat"))
LARGE = 20.0


def controlled_corpus(plural: bool) -> Corpus:
    """Return sentences in one number, with the layer ``Number`` and the model's translations."""
    number = "Plur" if plural else "Sing"
    words, labels, targets = [], [], []
    for (noun, forms), verbs, adjective in product(NOUNS.items(), VERBS, ("big", "small", "")):
        middle = [adjective] if adjective else []
        words.append(["the", *middle, forms[plural], verbs[plural]])
        labels.append([None, *([None] * len(middle)), number, number])
        targets.append([FRENCH[noun][plural], *TAIL])
    target = Corpus.from_sentences(targets, source=f"controlled {number}, fr")
    return Corpus.from_sentences(words, {"Number": labels}, source=f"controlled {number}", target=target)


def controlled_change() -> ValueChange:
    """Return the change of the sentences from singular to plural, with the right translations."""
    return ValueChange(
        corpus=controlled_corpus(plural=False),
        layer="Number",
        value="Sing",
        wanted="Plur",
        words="Number=Sing",
        expected=controlled_corpus(plural=True).target,
    )


def controlled_nmt(path: Path) -> Path:
    """Save the model."""
    sides = [controlled_corpus(plural) for plural in (False, True)]
    targets = [side.target for side in sides if side.target is not None]
    tokenizer = train_tokenizer([*sides, *targets], 400, starts_with_bos=False, max_length=64)
    config = LSTMTranslationConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, num_hidden_layers=1, tie_word_embeddings=False
    )
    model = LSTMTranslationModel(config)

    def number_of(word: str) -> int:
        return int(tokenizer.convert_tokens_to_ids(f"▁{word}"))

    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        _set_encoder(model, number_of)
        _set_decoder(model, number_of, int(tokenizer.eos_token_id))
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def _set_encoder(model, number_of) -> None:
    embeddings = model.encoder.embeddings.weight
    for name, forms in NOUNS.items():
        for plural, form in enumerate(forms):
            embeddings[number_of(form), 0] = 1.0 if plural else -1.0
            embeddings[number_of(form), 1] = 1.0 if name == "cat" else -1.0
    for forms in VERBS:
        for plural, form in enumerate(forms):
            embeddings[number_of(form), 0] = 1.0 if plural else -1.0
    layer = model.encoder.layers[0]
    for lstm in (layer.forward_lstm, layer.backward_lstm):
        # the gates are input, forget, cell and output: nothing is kept from one word to the next
        lstm.bias_ih_l0.copy_(torch.tensor([LARGE, -LARGE, 0.0, LARGE]).repeat_interleave(HALF))
    cell = layer.forward_lstm.weight_ih_l0[2 * HALF : 3 * HALF]
    cell[0, 0] = cell[1, 0] = cell[2, 1] = 3.0


def _set_decoder(model, number_of, end: int) -> None:
    """Set the decoder: what it reads decides which word of the sentence it writes next."""
    decoder, before = model.decoder, len((NUMBER, NOUN))
    nouns = [number_of(form) for forms in FRENCH.values() for form in forms]
    tail = [number_of(word) for word in TAIL]
    read = [[model.config.decoder_start_token_id], nouns, *([word] for word in tail)]
    written = [nouns, *([word] for word in tail), [end]]
    # the gates are input, forget, output and cell
    decoder.layers[0].recurrent.bias.copy_(torch.tensor([LARGE, -LARGE, LARGE, 0.0]).repeat_interleave(WIDTH))
    for step, (inputs, outputs) in enumerate(zip(read, written, strict=True)):
        place = before + step
        decoder.embeddings.weight[inputs, step] = 1.0
        decoder.input_gates.weight[3 * WIDTH + place, step] = 3.0
        decoder.attention_output.weight[place, WIDTH + place] = 3.0
        model.lm_head.weight[outputs, place] = LARGE
    for unit, place in ((0, 0), (2, 1)):
        decoder.attention_output.weight[place, unit] = 3.0
    for name, forms in FRENCH.items():
        for plural, form in enumerate(forms):
            model.lm_head.weight[number_of(form), 0] = 5.0 if plural else -5.0
            model.lm_head.weight[number_of(form), 1] = 5.0 if name == "cat" else -5.0
