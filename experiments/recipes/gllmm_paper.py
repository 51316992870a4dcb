"""The paper's recipe for MSE: 1.5 million steps of Adam at 1e-4, halved every 100,000 of the second half; noise only.

    python experiments/recipes/gllmm_paper.py --data PHOTOGRAPHS --workdir runs/paper --lmbda 0.0075

lmbda is one of 0.0016, 0.0032, 0.0075 (N = 128), 0.015, 0.023, 0.03, 0.045, 0.06 (N = 256). Weights are not averaged,
and gradients not clipped. Cost: 3e18 operations a point at N = 128, 12e18 at N = 256: four and sixteen hours at 200
TFLOP/s. To expect: the paper's curve; not run yet. Source: GLLMM, section on training, and its authors' code; the form
of the schedule and the full list are reconstructions.
"""

import sys

from common import launch

from gllmm_jax.config import PRESETS

WIDTH = {0.0016: 128, 0.0032: 128, 0.0075: 128, 0.015: 256, 0.023: 256, 0.03: 256, 0.045: 256, 0.06: 256}

if __name__ == "__main__":
    lmbda = float(sys.argv[sys.argv.index("--lmbda") + 1]) if "--lmbda" in sys.argv else 0.0075
    launch(
        __doc__,
        PRESETS[f"gllmm-{WIDTH.get(lmbda, 128)}"],
        lmbda=lmbda,
        batch=8,
        crop=256,
        learning_rate=1e-4,
        schedule="halving",
        warmup=0.0,
        clip=1e6,
        ema=0.0,
        noise=1.0,
        steps=1_500_000,
    )
