"""Latent overfitting: the encoder searches for better latents of one picture. Weights and decoder do not change.

    codec.encode(image, refine=Overfit(steps=100))

    loss.py      the loss of latents, position by position, and the gain that one step of a latent promises
    judge.py     the real loss of rounded latents, and the best latents so far
    flips.py     the search on whole numbers (the default)
    relaxed.py   searches along gradients: straight-through, and annealed stochastic Gumbel
    overfit.py   the search of a whole picture, window by window, within a budget; its result is never worse
    refined.py   the result of a search

Source: Zhang et al. 2022. The section on latent overfitting could not be obtained. All that is known of it is a greedy
search at the encoder that does not change the decoder. So this is a reconstruction; `relaxed` has sources of its own.
"""

from gllmm_jax.lof.overfit import EFFORTS, Overfit
from gllmm_jax.lof.refined import Refined

__all__ = ["EFFORTS", "Overfit", "Refined"]
