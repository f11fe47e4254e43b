"""onegrain."""
