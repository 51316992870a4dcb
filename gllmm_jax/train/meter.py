"""Means of the step's metrics between two reports, and the watch over them: steps that are not finite end the run."""

import math
import time
from collections.abc import Mapping

import jax


class NonFiniteError(RuntimeError):
    """The numbers of a step are not finite. What was saved before it stands."""


PATIENCE = 20
"""So many steps in a row that are skipped end the run."""


class Meter:
    """Adds up metrics one step late, so that the host never waits for the step it has just started.

    Skipped steps count in the mean of `skipped` alone.
    """

    def __init__(self, batch: int):
        self._batch = batch
        self._skipped = 0  # in a row
        self._pending: tuple[int, Mapping[str, jax.Array]] | None = None
        self.restart()

    def restart(self) -> None:
        """Begin a new window."""
        self._sums: dict[str, float] = {}
        self._count = self._left_out = 0
        self._started = time.monotonic()

    def add(self, step: int, metrics: Mapping[str, jax.Array]) -> None:
        """Take the metrics of `step`, still being computed. Raises `NonFiniteError` for those of the step before."""
        self.settle()
        self._pending = (step, metrics)

    def settle(self) -> None:
        """Wait for the metrics of the last step. Raises `NonFiniteError`."""
        if self._pending is None:
            return
        (step, metrics), self._pending = self._pending, None
        values = {name: float(value) for name, value in jax.device_get(dict(metrics)).items()}
        bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
        self._skipped = self._skipped + 1 if values.get("skipped") else 0
        if bad and not 0 < self._skipped < PATIENCE:
            in_a_row = f", as in the {self._skipped} steps to it" if self._skipped else ""
            raise NonFiniteError(f"at step {step} {', '.join(bad)}{in_a_row}")
        if bad:
            self._left_out += 1
            return
        self._sums = {name: self._sums.get(name, 0.0) + value for name, value in values.items()}
        self._count += 1

    def means(self) -> dict[str, float]:
        """Means of the window, with `images_per_second`; empty before the first step has settled."""
        if not self._count:
            return {}
        speed = self._count * self._batch / max(1e-9, time.monotonic() - self._started)
        means = {name: total / self._count for name, total in self._sums.items()}
        return means | {"images_per_second": speed, "skipped": self._left_out / (self._count + self._left_out)}
