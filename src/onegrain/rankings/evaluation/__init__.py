"""Any set of rankings, evaluated the same way: masking and retraining a probe on held-out words."""
