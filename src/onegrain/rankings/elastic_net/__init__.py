"""The elastic-net probe and its solver."""
