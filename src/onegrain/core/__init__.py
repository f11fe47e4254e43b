"""Small maths and services that need no record."""
