"""Records that the stages exchange; each saves and loads itself."""
