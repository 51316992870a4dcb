"""Whether a weights file holds what its config asks for, told by what it announces: nothing is unpacked for it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gllmm_jax.config import ModelConfig
from gllmm_jax.nn.misfit import misfit
from gllmm_jax.twin.levels import SHARED
from gllmm_jax.twin.prior import REACH
from gllmm_jax.twin.proof import shapes
from gllmm_jax.twin.wiring import LEVELS


def judge(config: ModelConfig, params: Any, tables: Mapping[str, np.ndarray]) -> str | None:
    """Says which parameter or table is missing, of another shape, or not of the config; None if there is none.

    It looks at names, shapes and dtypes, and at no values. `zoo.read` asks it.
    """
    if problem := misfit(config, params):
        return f"its parameters do not fit its config: {problem}"
    width = np.shape(tables.get("prior.cdf", [0]))[-1:]
    wanted = _stored(config, min(*width, 2 * REACH))
    for name, shape in wanted.items():
        if name not in tables:
            return f"its tables do not fit its config: {name} is missing"
        if tables[name].shape != shape:
            return f"its tables do not fit its config: {name} is {tables[name].shape} and not {shape}"
        if not np.can_cast(tables[name].dtype, np.int32):
            return f"its tables do not fit its config: {name} has more than 32 bits"
    if more := tables.keys() - wanted.keys():
        return f"its tables do not fit its config: {min(more)} is not of this model"
    return None


def _stored(config: ModelConfig, widest: int) -> dict[str, tuple[int, ...]]:
    """The shapes of a twin's arrays in a file: with a variable rate those of `levels.join`."""
    found = shapes(config, widest)
    if config.rate is None:
        return found
    kernels = {name: shape for name, shape in found.items() if name.endswith(".kernel")}
    down = {name.replace(".kernel", ".down"): (LEVELS, shape[-1]) for name, shape in kernels.items()}
    once = {*SHARED, *kernels}
    return down | {name: shape if name in once else (LEVELS, *shape) for name, shape in found.items()}
