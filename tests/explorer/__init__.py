"""A package, so that its conftest does not collide with that of another folder."""
