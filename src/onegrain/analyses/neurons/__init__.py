"""Single neurons: the words that move them, and their cards."""
