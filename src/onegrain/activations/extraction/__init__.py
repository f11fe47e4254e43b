"""From a model to the activations of every word of a corpus."""
