"""Rank neurons: one module a method, one registry, one record."""

from onegrain.rankings.crossmodel.similarity import similarity
from onegrain.rankings.lca.stability import stability
from onegrain.rankings.registry import METHODS, method, rank
from onegrain.rankings.request import Method, Request

__all__ = ["METHODS", "Method", "Request", "method", "rank", "similarity", "stability"]
