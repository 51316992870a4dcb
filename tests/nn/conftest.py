"""Parameters that hide nothing: no zeros, no ones, no diagonals."""

import jax
import numpy as np
import pytest


@pytest.fixture(scope="session")
def any_params():
    """The function (init) -> random float32 parameters in the tree that init(key) would make, activations near one."""

    def random(init):
        rng = np.random.default_rng(3)

        def leaf(path, shape):
            match path[-1].key:
                case "kernel":
                    drawn = 0.6 * rng.normal(size=shape.shape) / np.prod(shape.shape[:-1]) ** 0.5
                case "gamma":
                    drawn = rng.uniform(0.1, 0.4, shape.shape)
                case "beta":
                    drawn = rng.uniform(0.5, 1.0, shape.shape)
                case _:
                    drawn = rng.uniform(-0.3, 0.3, shape.shape)
            return drawn.astype(np.float32)

        return jax.tree_util.tree_map_with_path(leaf, jax.eval_shape(init, jax.random.key(0)))

    return random
