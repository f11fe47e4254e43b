"""Activations on disk: how a store is laid out, written, opened and checked."""
