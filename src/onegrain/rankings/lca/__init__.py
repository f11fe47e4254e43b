"""Linguistic Correlation Analysis: an elastic-net probe, its neuron ordering and its evaluation."""
