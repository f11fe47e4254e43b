"""French sentences of the sandbox language."""
