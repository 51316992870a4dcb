"""The things measured: a model at a quality, or another codec at a setting of its own.

Each is a small tuple that can travel to another process. It loads networks and libraries at their first use.
"""

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from gllmm_jax import zoo
from gllmm_jax.codec.quality import DEFAULT
from gllmm_jax.peers import table

if TYPE_CHECKING:
    from gllmm_jax.codec.codec import Codec, Refine


class Contestant(Protocol):
    """A name, a setting, and the way to a file and back. `outside` says that another process does the work."""

    @property
    def codec(self) -> str: ...
    @property
    def setting(self) -> float | None: ...
    @property
    def suffix(self) -> str: ...
    @property
    def outside(self) -> bool: ...
    def encode(self, image: np.ndarray) -> bytes:
        """uint8 [height, width, 3 or 1] -> a file."""
        ...

    def decode(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """A file -> the picture of `shape`."""
        ...


class Ours(NamedTuple):
    """A model, by the name or file `model`, at a quality. The quality is None for a model that has only one.

    `refine` searches for better latents of each picture, as in `Codec.encode`.
    """

    codec: str
    model: str
    setting: float | None
    transforms: str | None = None
    entropy: str | None = None
    refine: "Refine | None" = None

    suffix = "gllm"
    outside = False

    def encode(self, image: np.ndarray) -> bytes:
        return _loaded(self).encode(image, estimate=False, refine=self.refine).data

    def decode(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        return _loaded(self).decompress(data, max_pixels=None)


class Theirs(NamedTuple):
    """A codec of `peers.table`."""

    codec: str
    setting: float

    @property
    def suffix(self) -> str:
        return table.PEERS[self.codec].suffix

    @property
    def outside(self) -> bool:
        return table.PEERS[self.codec].outside

    def encode(self, image: np.ndarray) -> bytes:
        return table.encode(self.codec, image, int(self.setting))

    def decode(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        return table.decode(self.codec, data, shape)


def qualities_of(
    model: str, qualities: Iterable[float | None], *, transforms: str | None = None, entropy: str | None = None
) -> list[Ours]:
    """A model at each quality. None is the quality that the model stands at. Raises `zoo.WeightsError`.

    A model with one quality is measured at that quality, whatever is asked.
    """
    from gllmm_jax.twin.judge import judge

    weights = zoo.read(model, judge=judge)
    asked = [DEFAULT if quality is None else quality for quality in qualities] if weights.config.rate else [None]
    return [Ours(weights.name, model, quality, transforms, entropy) for quality in dict.fromkeys(asked)]


def others(names: Iterable[str]) -> list[Theirs]:
    """Other codecs by names as `table.named` takes them, each at the settings after its name, as in "webp@40@80".

    Without settings these are all that draw the codec's curve. Raises `ValueError` for an unknown name or setting.
    """
    found = []
    for text in names:
        name, *settings = text.split("@")
        for full in table.named([name]):
            found += [Theirs(full, _setting(full, one)) for one in settings or table.PEERS[full].curve]
    return list(dict.fromkeys(found))


def _setting(name: str, given: str | int) -> int:
    known = {str(quality): quality for quality in table.PEERS[name].qualities}
    if str(given) not in known:
        first, *_, last = known
        raise ValueError(f"{name} has no setting '{given}': they go from {first} to {last}")
    return known[str(given)]


@functools.lru_cache(maxsize=32)
def _loaded(ours: Ours) -> "Codec":
    if ours.setting is not None:
        return _loaded(ours._replace(setting=None, refine=None)).at(ours.setting)
    from gllmm_jax.codec.codec import load

    return load(ours.model, transforms=ours.transforms, entropy=ours.entropy)
