"""Rankings of one model's neurons, each neuron looked at by itself."""
