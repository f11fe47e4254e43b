"""Edits: the values that replace those of chosen neurons."""
