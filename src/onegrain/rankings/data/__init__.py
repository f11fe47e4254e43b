"""What ranking methods read: labelled words, blocks of activations, and memory."""
