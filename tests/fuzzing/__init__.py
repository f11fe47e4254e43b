"""Seeded damage to every kind of file that is read, to see that each ends in a named error or in a value."""
