"""The four questions of [Dalvi19], and in which layers neurons lie."""
