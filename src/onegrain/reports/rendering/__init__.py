"""How blocks of a report become HTML, and text for the terminal."""
