"""How a stage tells how far it is."""

from collections.abc import Callable

Tick = Callable[[int, int], None]
"""Told how many parts of how many are done."""

Progress = Callable[[str, int, int], None]
"""The same of a stage by name: "analysis", "probabilities", "coding"; "decoding", "synthesis".

0 parts are done when a stage begins; a search for latents calls itself "loss 0.4821", whatever the loss is by then.
What it raises ends the work.
"""


def silent(*_: object) -> None:
    """A `Tick` or `Progress` that keeps it to itself."""
