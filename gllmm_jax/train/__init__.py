"""Learning weights: data, steps, checkpoints, logs."""
