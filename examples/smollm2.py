"""Rank the MLP neurons of a layer of SmolLM2 for part of speech, and measure what erasing the top 50 costs.

It reads the files of UD English-EWT (https://universaldependencies.org) in the working folder.
"""

import onegrain as og

train = og.read_corpus("en_ewt-ud-dev.conllu", limit=300)
test = og.read_corpus("en_ewt-ud-test.conllu", limit=100)
model = og.load_model("HuggingFaceTB/SmolLM2-135M")
acts = og.extract(model, train, "train.zarr", sites="layers.12.mlp")
lca = og.rank("lca", acts, label="upos", test=og.extract(model, test, "test.zarr", sites="layers.12.mlp"))
curve = og.ablate(model, lca, og.Perplexity(test), counts=[50], random_orders=5)
print(lca)
print(og.verdict(curve))
