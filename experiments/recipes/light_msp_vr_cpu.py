"""The progressive entropy model (MSP) for every quality on a few cores, trained together with the transforms.

    python experiments/entropy_behind.py --data PHOTOGRAPHS -o rows.jsonl --keep runs \\
        "msp: preset='light-msp-vr', msp={}, start='light-msp-0.0130', steps=8000"
    python experiments/recipes/light_msp_vr_cpu.py --data PHOTOGRAPHS --workdir runs/msp --init runs/msp.npz

The first command trains the entropy model alone, behind the transforms of `light-vr-3`. The rate is constant but for
the last fifth of the run. Cost: 50 minutes for the first command on two cores, and as many minutes as are given. To
expect: after 112 minutes 19 % more bits than `light-vr-3` at equal PSNR, and 13 % fewer than WebP (Kodak).
"""

from common import launch

from gllmm_jax.presets import PRESETS

if __name__ == "__main__":
    launch(
        __doc__,
        lambda _: PRESETS["light-msp-vr"],
        lmbda=(0.0008, 0.12),
        batch=4,
        crop=256,
        learning_rate=3e-4,
        schedule="stable",
        clip=0.5,
        validate_minutes=20.0,
        minutes=240.0,
    )
