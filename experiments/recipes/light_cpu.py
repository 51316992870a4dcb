"""`light` on two processor cores: what the installed weights were made with, once more and longer.

    python experiments/recipes/light_cpu.py --data PHOTOGRAPHS --workdir runs/light --init light-0.0130 --minutes 120

Cost: 22,000 steps in two hours on two cores. To expect: 0.711 bpp and 32.64 dB on 27 held-out photographs, from 0.797
and 32.43.
"""

from common import launch

from gllmm_jax.presets import PRESETS

if __name__ == "__main__":
    launch(
        __doc__,
        lambda _: PRESETS["light"],
        lmbda=0.0130,
        batch=4,
        crop=192,
        learning_rate=5e-4,
        schedule="cosine",
        clip=1.0,
        minutes=120.0,
    )
