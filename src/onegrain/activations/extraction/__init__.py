"""Run a model over a corpus and read the activations of every word."""
