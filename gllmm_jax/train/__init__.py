"""Learning weights: a step, where it starts, a run of many, and what it tells."""
