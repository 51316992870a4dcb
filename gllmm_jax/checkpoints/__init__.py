"""The folder of a run: what the run is, where it stands, and its saved states and weights."""
