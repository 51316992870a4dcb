"""`light-vr` on a few cores, from weights whose analysis has learned already: g_a stands still, all else goes on.

    python experiments/recipes/light_vr_cpu.py --data PHOTOGRAPHS --workdir runs/vr --init WEIGHTS --minutes 1200

The rate is constant but for the last fifth of the run, so that it may be made longer; the averaged weights are good at
any time. Cost: as many minutes as are given. To expect: little; 1,460 steps from the weights of `light_vr_gpu.py`, 20
minutes, left the validation loss at 1.0530 where it had been 1.0529.
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
        learning_rate=5e-5,
        schedule="stable",
        clip=0.5,
        frozen=("g_a",),
        validate_minutes=20.0,
        minutes=1200.0,
    )
