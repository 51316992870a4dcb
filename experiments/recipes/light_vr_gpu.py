"""`light-vr` on an accelerator: every quality at once, bfloat16, the whole set in device memory, linear to zero.

    python experiments/recipes/light_vr_gpu.py --data PHOTOGRAPHS --workdir runs/vr --init light-vr-2 --minutes 9

Cost: as many minutes as are given, and one of compiling. To expect: from 192 latents that had nine minutes, after seven
minutes of one H200 (2,080 crops a second), on 27 held-out photographs in crops of 256x256, 0.121 bpp and 26.8 dB at the
lowest quality, 0.565 and 32.7 in the middle, 1.634 and 37.7 at the highest.
"""

from common import launch

from gllmm_jax.presets import PRESETS

if __name__ == "__main__":
    launch(
        __doc__,
        lambda _: PRESETS["light-vr"],
        lmbda=(0.0008, 0.12),
        batch=32,
        crop=256,
        learning_rate=7e-4,
        schedule="linear",
        clip=0.5,
        compute="bfloat16",
        resident=True,
        augment=True,
        steps_per_call=8,
        validate_minutes=2.0,
        minutes=9.0,
    )
