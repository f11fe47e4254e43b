"""Comparisons of rankings: their agreement, votes, areas, and one table of all measurements."""
