"""The config of a progressive entropy model."""

import dataclasses
import itertools

from gllmm_jax.config.checks import DEEPEST, DEPTH, WIDTH, check, is_count, is_width

BLOCKS = ((2, 2), (2, 4))
"""Block sizes of the progressive entropy model."""


@dataclasses.dataclass(frozen=True)
class Progressive:
    """The multi-scale progressive entropy model (MSP). It replaces hyperprior and serial context.

    Raises `ValueError` if the fields make no model. Source: Zhang et al. 2022. Of its profiles, only Nokia's later code
    could be read. `scales`, `block` and `seeds` are as in that code; the network is a reconstruction.
    """

    scales: int = 3  # besides the coarsest scale, which the factorised prior codes
    block: tuple[int, int] = (2, 2)  # rows and columns, visited in one order
    seeds: int = 0  # channels of a place that are coded one by one, before the others
    width: int = 64  # F, channels of the network
    depth: int = 5  # R, residual blocks of the network
    splits: tuple[int, ...] = ()  # channels that part the others; each part is coded after those before it

    def __post_init__(self) -> None:
        check(
            self,
            scales=(is_count(self.scales, DEEPEST), DEPTH),
            block=(self.block in BLOCKS, " or ".join(map(str, BLOCKS))),
            seeds=(type(self.seeds) is int and 0 <= self.seeds <= DEEPEST, f"{DEPTH}, or 0"),
            width=(is_width(self.width), WIDTH),
            depth=(is_count(self.depth, DEEPEST), DEPTH),
            splits=(
                isinstance(self.splits, tuple)
                and len(self.splits) <= DEEPEST
                and all(map(is_width, self.splits))
                and all(a < b for a, b in itertools.pairwise((self.seeds, *self.splits))),
                f"at most {DEEPEST} whole numbers that grow, above {self.seeds}",
            ),
        )

    def edges(self, channels: int) -> list[int]:
        """First channel of each group of channels of one place, in coding order, and `channels` last."""
        return [*range(self.seeds + 1), *self.splits, channels]
