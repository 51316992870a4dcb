"""`light-vr` on a few cores, from weights that may have fewer latents: the further ones are learned beside the others.

    python experiments/recipes/light_vr_cpu.py --data PHOTOGRAPHS --workdir runs/vr --init light-vr-3 --minutes 1200

The rate is constant but for the last fifth of the run, so the run may be made longer. The averaged weights are good at
all times. Cost: as many minutes as are given. To expect: experiments/RESULTS.md has what ten minutes give.
"""

from common import launch

from gllmm_jax.presets import PRESETS

if __name__ == "__main__":
    launch(
        __doc__,
        lambda _: PRESETS["light-vr"],
        lmbda=(0.0008, 0.12),
        batch=4,
        crop=256,
        learning_rate=1e-3,
        schedule="stable",
        clip=0.5,
        validate_minutes=20.0,
        minutes=1200.0,
    )
