"""Train a small language model on the sandbox language, rank its neurons for part of speech, erase them."""

import onegrain as og

train, valid, test = (og.sandbox(size, seed=seed) for seed, size in enumerate((2000, 200, 200)))
options = og.TrainingOptions(hidden_size=64, vocab_size=500, epochs=2, batch_size=32, learning_rate=5e-3)
model = og.train_nlm(train, valid, "quickstart/model", options=options)
acts = og.extract(model, test, "quickstart/test.zarr", sites="layers.*")
lca = og.rank("lca", acts, label="upos")
print(lca.top(5), lca.label("VERB").top(5), lca.details["evaluation"]["full"]["accuracy"])
curve = og.ablate(model, lca, og.Perplexity(test), steps=5, random_orders=2)
print(curve.to_pandas())
lca.save("quickstart/upos.parquet")
