"""Analyses of a sweep: areas with paired tests, and the agreement of its findings between kinds of edit."""
