"""Means of the step's metrics between two reports. Too many steps that are not finite end the run."""

import math
import time
from collections.abc import Mapping

import jax


class NonFiniteError(RuntimeError):
    """The numbers of a step are not finite. The checkpoints saved before remain."""


PATIENCE = 20
"""A run ends after so many skipped steps in a row."""


class Meter:
    """Adds up metrics one call late, so that the host never waits for the step that it has just started.

    A call is one step or several. The metrics of a call are means over the steps that were not skipped. Skipped steps
    count only in the mean of `skipped`.
    """

    def __init__(self, batch: int):
        self._batch = batch
        self._in_a_row = 0  # skipped steps
        self._pending: tuple[int, int, Mapping[str, jax.Array]] | None = None
        self.restart()

    def restart(self) -> None:
        """Begin a new window."""
        self._sums: dict[str, float] = {}
        self._count = self._skipped = 0.0
        self._started = time.monotonic()

    def add(self, step: int, metrics: Mapping[str, jax.Array], steps: int = 1) -> None:
        """Take the metrics of the `steps` up to `step`, which the device may still compute.

        Raises `NonFiniteError` for the metrics of the call before.
        """
        self.settle()
        self._pending = (step, steps, metrics)

    def settle(self) -> None:
        """Wait for the metrics of the last call. Raises `NonFiniteError`."""
        if self._pending is None:
            return
        (step, steps, metrics), self._pending = self._pending, None
        values = {name: float(value) for name, value in jax.device_get(dict(metrics)).items()}
        bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
        skipped = values.get("skipped", 0.0)
        self._in_a_row = self._in_a_row + steps if skipped == 1 else 0
        if bad and not 0 < self._in_a_row < PATIENCE:
            in_a_row = f", as in the {self._in_a_row} steps to it" if self._in_a_row else ""
            raise NonFiniteError(f"at step {step} {', '.join(bad)}{in_a_row}")
        self._skipped += steps * skipped
        if not bad:
            taken = steps * (1 - skipped)
            self._sums = {name: self._sums.get(name, 0.0) + taken * value for name, value in values.items()}
            self._count += taken

    def means(self) -> dict[str, float]:
        """Means of the window, with `images_per_second`. Empty before the first step has settled."""
        if not self._count:
            return {}
        speed = self._count * self._batch / max(1e-9, time.monotonic() - self._started)
        means = {name: total / self._count for name, total in self._sums.items()}
        return means | {"images_per_second": speed, "skipped": self._skipped / (self._count + self._skipped)}
