"""The engine that works in the actors of a Ray cluster."""
