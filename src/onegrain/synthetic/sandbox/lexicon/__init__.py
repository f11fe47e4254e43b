"""The words of the sandbox language in its three languages."""
