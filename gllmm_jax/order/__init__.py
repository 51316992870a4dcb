"""Entropy models: the order of the latents, and the distributions of those that come next."""
