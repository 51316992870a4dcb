"""The folder of a run: what it is, where it stands, and the states and weights that are kept of it."""
