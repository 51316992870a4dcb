"""Entropy coders: symbols of known integer distributions, to and from bytes."""
