"""Learned dictionaries: latents of the value of a site."""
