"""Activations of made-up models in which it is known what each neuron does."""
