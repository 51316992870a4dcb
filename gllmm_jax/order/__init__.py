"""Entropy models: in which order latents come, and what gives the distributions of those that come next."""
