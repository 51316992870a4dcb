"""Learning weights: a training step, the start of a run, the run of many steps, and its reports."""
