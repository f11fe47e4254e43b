"""The input of ranking methods: labelled words, blocks of activations, and the memory for them."""
