"""Learning weights: steps, checkpoints, logs."""
