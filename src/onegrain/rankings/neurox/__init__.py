"""The probe and the ordering of NeuroX 1.0.9, for results that are to be compared with published ones."""
