"""Rendering of a report's blocks as HTML, and as text for the terminal."""
