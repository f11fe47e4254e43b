"""Sparse probing [Gurnee23]: for every label the few neurons that tell it best together."""
