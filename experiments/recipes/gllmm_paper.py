"""The paper's recipe for MSE: 1.5 million steps of Adam at 1e-4, halved every 100,000 of the second half; noise only.

    python experiments/recipes/gllmm_paper.py --data PHOTOGRAPHS --workdir runs/paper --lmbda 0.0075

lmbda is one of 0.0016, 0.0032, 0.0075 (N = 128), 0.015, 0.023, 0.03, 0.045, 0.06 (N = 256). Weights are not averaged,
and gradients not clipped. Cost: 3e18 operations a point at N = 128, 12e18 at N = 256: four and sixteen hours at 200
TFLOP/s. To expect: the authors' points on Kodak, which of them belongs to which lambda being inferred; this has not
been run. Source: GLLMM, section on training, and its authors' code; the form of the schedule and the full list are
reconstructions.

    lmbda  0.0016 0.0032 0.0075  0.015  0.023   0.03  0.045   0.06
    bpp     0.092  0.156  0.282  0.441  0.566  0.646  0.792  0.906
    PSNR    27.99  29.63  31.82  33.97  35.25  35.96  37.06  37.85
"""

from common import launch

from gllmm_jax.presets import PRESETS

WIDE_FROM = 0.015
"""The lambda from which N is 256."""

if __name__ == "__main__":
    launch(
        __doc__,
        lambda lmbda: PRESETS[f"gllmm-{128 if lmbda < WIDE_FROM else 256}"],
        lmbda=0.0075,
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
