"""Compare the logits after edits with those that nnsight and pyvene give for the same edits.

The models are a GPT-2 and a Llama with random weights, and SmolLM2-135M where its folder is found. Sentences of
different lengths are read in one padded batch, in float32.
"""

# peers:
# peers with dependencies: nnsight==0.8.1 pyvene==0.1.8
# what: logits after the same edits in onegrain, nnsight and pyvene: the largest differences

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("TQDM_DISABLE", "1")

import pandas as pd
import torch
from _smollm2 import smollm2_folder
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

import onegrain as og
from onegrain.interventions import Intervention, editing
from onegrain.models.lstm.tokenization import train_tokenizer

TEXTS = (
    "the man who owns the dogs sees a bird in the park",
    "the dogs see him",
    "nobody has seen the old house since the boys left it",
)
CORPUS = og.Corpus.from_sentences([text.split() for text in TEXTS])
UNITS = (1, 5, 11)
TOLERANCE = 1e-5
EDITS = {
    "zero": lambda value: value * 0,
    "clamp(value=2.5)": lambda value: value * 0 + 2.5,
    "scale(factor=-1.5)": lambda value: value * -1.5,
    "add(value=0.75)": lambda value: value + 0.75,
}
"""The text of each edit, and what it makes of the values of the units."""


def module_of(name: str, site: str) -> tuple[str, str]:
    """Return the module that the value of a site passes, and whether it is its input or its output."""
    block = f"{'transformer.h' if name == 'gpt2' else 'model.layers'}.{site.split('.')[1]}"
    if site.endswith(".mlp"):
        return f"{block}.mlp.{'c_proj' if name == 'gpt2' else 'down_proj'}", "input"
    return block, "output"


def saved(folder: Path, name: str):
    """Save a small model with random weights and its tokenizer, and load it."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer([CORPUS], 200, starts_with_bos=True, max_length=64)
    shared = {"vocab_size": len(tokenizer), "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    if name == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(n_layer=4, n_head=4, n_embd=64, **shared))
    else:
        sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4}
        heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
        model = LlamaForCausalLM(LlamaConfig(**sizes, **heads, **shared))
    model.save_pretrained(folder / name)
    tokenizer.save_pretrained(folder / name)
    return og.load_model(folder / name, device="cpu")


def ours(loaded, inputs, sites: list[str], edit: str) -> torch.Tensor:
    names = [f"{site}:{unit}" for site in sites for unit in UNITS]
    with editing(loaded, Intervention.of(names, edit=edit)):
        return loaded.model(**inputs).logits


def with_nnsight(model, name: str, inputs, sites: list[str], change) -> torch.Tensor:
    from nnsight import NNsight

    wrapped, units = NNsight(model), list(UNITS)
    with wrapped.trace(**inputs):
        for site in sites:
            path, reads = module_of(name, site)
            module = wrapped.get(path)
            if reads == "input":
                module.input[..., units] = change(module.input[..., units])
            else:
                module.output[..., units] = change(module.output[..., units])
        logits = wrapped.output.logits.save()
    return logits  # noqa: RET504 - nnsight runs the block when it ends


def with_pyvene(model, name: str, inputs, sites: list[str], change) -> torch.Tensor:
    import pyvene

    def edited(base, source=None, **_):
        value = base.clone()
        value[..., list(UNITS)] = change(value[..., list(UNITS)])
        return value

    places = [".".join(module_of(name, site)) for site in sites]
    config = [{"component": place, "intervention": edited} for place in places]
    wrapped = pyvene.IntervenableModel(config, model=model)
    _, output = wrapped(base=inputs)
    return output.logits


def differences(loaded, name: str, cases: list[list[str]]) -> list[dict[str, object]]:
    """Return one row per case and edit: the largest difference of a logit from either peer, and the effect."""
    inputs = loaded.batch([row.ids for row in loaded.encode(list(CORPUS.sentences()))])
    real = inputs["attention_mask"].bool()
    untouched, rows = loaded.model(**inputs).logits[real], []
    for sites in cases:
        for edit, change in EDITS.items():
            logits = ours(loaded, inputs, sites, edit)[real]
            peers = {
                peer: float((function(loaded.model, name, inputs, sites, change)[real] - logits).abs().max())
                for peer, function in (("nnsight", with_nnsight), ("pyvene", with_pyvene))
            }
            effect = float((logits - untouched).abs().max())
            rows.append({"model": name, "sites": " + ".join(sites), "edit": edit, "effect": effect, **peers})
            again = float((loaded.model(**inputs).logits[real] - untouched).abs().max())
            if again:
                raise SystemExit(f"{name}: a hook is left, the untouched logits differ by {again}")
    return rows


@torch.no_grad()
def main() -> int:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for name in ("gpt2", "llama"):
            cases = [["layers.1"], ["layers.1.mlp"], ["layers.0", "layers.1.mlp", "layers.3.mlp"]]
            rows += differences(saved(Path(folder), name), name, cases)
    try:
        smollm2 = og.load_model(smollm2_folder(), device="cpu")
    except SystemExit as missing:
        sys.stderr.write(f"without SmolLM2: {missing}\n")
    else:
        cases = [["layers.14"], ["layers.14.mlp"], ["layers.3", "layers.14.mlp", "layers.28.mlp"]]
        rows += differences(smollm2, "smollm2", cases)
    table = pd.DataFrame(rows)
    with pd.option_context("display.width", 160, "display.max_rows", None):
        print(table.to_string(index=False, float_format=lambda value: f"{value:.2e}"))
    largest = table.groupby("model")[["effect", "nnsight", "pyvene"]].max()
    print(json.dumps({"name": "peers", "ratios": {}, "figures": largest.to_dict("index")}))
    return int(not (largest[["nnsight", "pyvene"]].to_numpy() <= TOLERANCE).all())


if __name__ == "__main__":
    raise SystemExit(main())
