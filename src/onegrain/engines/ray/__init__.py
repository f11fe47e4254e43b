"""Work in the actors of a Ray cluster."""
