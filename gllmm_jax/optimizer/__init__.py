"""Optimizers, which turn gradients into steps, and the state between steps. No model's loss, no files."""
