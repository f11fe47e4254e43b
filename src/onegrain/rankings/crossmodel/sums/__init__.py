"""Sums of products of the neurons of several models, taken in one pass."""
