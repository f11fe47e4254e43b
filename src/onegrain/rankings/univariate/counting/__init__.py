"""One pass over the words that counts what several methods score neurons by."""
