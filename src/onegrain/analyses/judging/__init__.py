"""How far rankings agree, and which of them to believe."""
