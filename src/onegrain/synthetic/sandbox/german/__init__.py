"""German sentences of the sandbox language."""
