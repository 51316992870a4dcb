"""The entropy model alone, behind transforms that stay as they are.

    python experiments/recipes/entropy_only.py --data PHOTOGRAPHS --workdir runs/entropy --init light-0.0130

g_a and g_s are frozen, so the pictures stay the same and only the rate falls. Cost: as many minutes as are given. To
expect: little more from weights that are trained already: 671 steps, ten minutes of two cores, left light-0.0130 at
0.712 bpp on 27 held-out photographs. It is for weights whose entropy model is new, or for other photographs.
"""

from common import launch

from gllmm_jax.presets import PRESETS

if __name__ == "__main__":
    launch(
        __doc__,
        lambda _: PRESETS["light"],
        lmbda=0.0130,
        init="light-0.0130",
        frozen=("g_a", "g_s"),
        batch=8,
        crop=192,
        learning_rate=3e-4,
        schedule="cosine",
        clip=1.0,
        minutes=30.0,
    )
