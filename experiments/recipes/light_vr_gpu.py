"""`light-vr` on an accelerator: every quality at once, bfloat16, the whole set in device memory, linear to zero.

    python experiments/recipes/light_vr_gpu.py --data PHOTOGRAPHS --workdir runs/vr --init light-vr-3 --minutes 9

Cost: as many minutes as are given, and one of compiling. To expect: after seven more minutes of one H200 (3,020 crops a
second) from weights that had had 16, on 27 held-out photographs in crops of 256x256, 0.121 bpp and 26.9 dB at the
lowest quality, 0.562 and 32.8 in the middle, 1.610 and 37.8 at the highest.
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
