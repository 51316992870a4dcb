"""The coders by name; each is imported where it is first asked for."""

from gllmm_jax.codec.coder import Coder
from gllmm_jax.codec.container import CODERS


def named(name: str) -> Coder:
    """The coder of a name. Raises `ValueError` on others, `ImportError` naming the extra that brings it."""
    if name == "rans":
        from gllmm_jax.codec import interleaved

        return interleaved
    if name == "tfc":
        from gllmm_jax.codec import tfc

        return tfc
    raise ValueError(f"there is no coder '{name}': choose from {', '.join(CODERS)}")
