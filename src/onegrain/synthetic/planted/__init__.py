"""Activations of artificial models in which the role of every neuron is known."""
