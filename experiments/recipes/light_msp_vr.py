"""The progressive entropy model (MSP) for every quality, behind transforms of `light-vr` that stay as they are.

    python experiments/recipes/light_msp_vr.py --data PHOTOGRAPHS --workdir runs/msp --init light-vr-3 --minutes 2

The weights to start from need as many latents as `light-vr` has. Pictures stay the same, only the rate is learned. For
an accelerator: bfloat16, the whole set in device memory. Cost: as many minutes as are given, and one of compiling. To
expect: after 90 seconds of one H200 a fifth more bits than the context model of `light-vr-2`, which was trained longer.
"""

from common import launch

from gllmm_jax.presets import PRESETS

if __name__ == "__main__":
    launch(
        __doc__,
        lambda _: PRESETS["light-msp-vr"],
        lmbda=(0.0008, 0.12),
        init="light-vr-3",
        frozen=("g_a", "g_s", "gain"),
        batch=32,
        crop=256,
        learning_rate=1e-3,
        schedule="linear",
        clip=0.5,
        compute="bfloat16",
        resident=True,
        augment=True,
        steps_per_call=8,
        validate_minutes=2.0,
        minutes=2.0,
    )
