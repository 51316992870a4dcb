"""Latent overfitting: latents chosen for one picture at encode time, weights and decoder as they are.

    codec.encode(image, refine=Overfit(steps=100))

    loss.py      what latents cost: bits and squared errors, position by position; what one step of a latent would save
    flips.py     the search on whole numbers (the default)
    relaxed.py   searches along gradients: straight-through, and annealed stochastic Gumbel
    overfit.py   a picture in windows, the budget, and never anything worse than before

Source: Zhang et al. 2022, whose section on latent overfitting could not be had: a greedy search at the encoder that
leaves the decoder alone is all that is known of it. Reconstruction, but for `relaxed`, which says its own.
"""

from gllmm_jax.lof.overfit import EFFORTS, Overfit
from gllmm_jax.lof.refined import Refined

__all__ = ["EFFORTS", "Overfit", "Refined"]
