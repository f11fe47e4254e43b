"""The two LSTM models of [Dalvi19], and their training."""
