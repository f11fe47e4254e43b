"""Records that the stages exchange, and the small maths that they need."""
