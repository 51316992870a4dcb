"""`light` on an accelerator: the whole set in device memory, bfloat16, linear to zero by the clock.

    python experiments/recipes/light_gpu.py --data PHOTOGRAPHS --workdir runs/light --lmbda 0.0130 --minutes 9

Cost: as many minutes as are given. To expect: what `light_cpu.py` reached (0.711 bpp and 32.64 dB on 27
held-out photographs in crops of 192x192) once it has seen as many crops, 116,000 with those of the weights it started
from; this has not been run.
"""

from common import launch

from gllmm_jax.presets import PRESETS

if __name__ == "__main__":
    launch(
        __doc__,
        lambda _: PRESETS["light"],
        lmbda=0.0130,
        batch=32,
        crop=256,
        learning_rate=1e-3,
        schedule="linear",
        clip=1.0,
        compute="bfloat16",
        resident=True,
        validate_minutes=2.0,
        minutes=9.0,
    )
