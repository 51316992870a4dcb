"""Learned image codecs whose files decode anywhere.

`gllmm_jax.load()` gives a codec; `codec.compress(pixels)` gives bytes and `codec.decompress(data)` the pixels again.
`gllmm_jax.read(path)` and `gllmm_jax.write(path, picture)` are for picture files of every format, `.gllm` among them.
Importing this package imports nothing heavy: the networks come with the first `load`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gllmm_jax.codec.codec import load
    from gllmm_jax.errors import BitstreamError
    from gllmm_jax.transcode import read, write

__version__ = "0.1.0"
__all__ = ["BitstreamError", "__version__", "load", "read", "write"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from gllmm_jax.codec.codec import load

        return load
    if name in ("read", "write"):
        from gllmm_jax import transcode

        return getattr(transcode, name)
    if name == "BitstreamError":
        from gllmm_jax.errors import BitstreamError

        return BitstreamError
    raise AttributeError(f"module 'gllmm_jax' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
