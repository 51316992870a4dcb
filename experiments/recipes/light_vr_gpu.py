"""`light-vr` on an accelerator: every quality at once, bfloat16, the whole set in device memory, linear to zero.

    python experiments/recipes/light_vr_gpu.py --data PHOTOGRAPHS --workdir runs/vr --init light-vr --minutes 9

Cost: as many minutes as are given, and one of compiling. To expect: with 192 latents and one H200 it was 3,390 crops a
second; after 8 minutes, on 27 held-out photographs in crops of 256x256, 0.123 bpp and 26.8 dB at the lowest quality,
0.540 and 32.4 in the middle, 1.283 and 35.6 at the highest.
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
        validate_minutes=2.0,
        minutes=9.0,
    )
