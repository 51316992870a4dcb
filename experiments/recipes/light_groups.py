"""The space-channel context of ELIC for every quality, behind transforms of `light-vr`; everything is trained together.

    python experiments/recipes/light_groups.py --data PHOTOGRAPHS --workdir runs/groups --init light-vr-3 --minutes 7

Decoding takes ten rounds at any size of picture, where the context of `light-vr` takes hundreds. The weights to start
from give transforms and hyper networks. For an accelerator: bfloat16, the whole set in device memory. Cost: as many
minutes as are given, and one of compiling. To expect: not known, since this run is still to be done.
"""

import dataclasses

from common import launch

from gllmm_jax.presets import PRESETS

GROUPS = {"order": "checkerboard", "splits": (16, 32, 64, 128), "hidden": (128, 96)}

if __name__ == "__main__":
    launch(
        __doc__,
        lambda _: dataclasses.replace(PRESETS["light-vr"], preset="light-groups", **GROUPS),
        lmbda=(0.0008, 0.12),
        init="light-vr-3",
        batch=32,
        crop=256,
        learning_rate=7e-4,
        schedule="linear",
        clip=0.5,
        compute="bfloat16",
        resident=True,
        augment=True,
        steps_per_call=8,
        validate_minutes=3.0,
        minutes=7.0,
    )
