"""Dimension selection [Torroba20]: neurons chosen one by one for a Gaussian probe."""
