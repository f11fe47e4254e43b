"""Edits: by what the values of the chosen neurons are replaced."""
