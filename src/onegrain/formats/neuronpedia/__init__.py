"""Neuron cards as the files that Neuronpedia imports."""
