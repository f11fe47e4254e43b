"""Neurons that are redundant beside others, and rankings without them."""
