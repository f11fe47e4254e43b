"""Sums of products of the neurons of several models, computed in one pass over the words."""
