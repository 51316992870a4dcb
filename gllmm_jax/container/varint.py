"""Whole numbers with 7 bits in a byte, lowest bits first, in as few bytes as they need."""

import numpy as np

from gllmm_jax.errors import BitstreamError, CutShortError

_MOST_BYTES = 5


def write(value: int) -> bytes:
    """The bytes of a number from 0 to 2^35 - 1."""
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class Reader:
    """Takes bytes of `data` one after the other, from `position` on.

    Raises `BitstreamError` past the end. The message says that the `whole` (a file, a stream) ends within its `part`.
    """

    def __init__(self, data: bytes, position: int = 0, *, whole: str, part: str) -> None:
        self.data, self.position, self._whole, self._part = data, position, whole, part

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        taken = self.data[self.position : self.position + count]
        if len(taken) < count:
            raise CutShortError(
                f"the {self._whole} is cut short: its {len(self.data)} bytes end within the {self._part}"
            )
        self.position += count
        return taken

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def varint(self) -> int:
        """The next number that `write` wrote."""
        value = 0
        for i in range(_MOST_BYTES):
            byte = self.byte()
            value |= (byte & 127) << 7 * i
            if byte < 128:
                return value
        raise BitstreamError(f"the {self._whole} is damaged: a number in its {self._part} has no end")

    def varints(self, count: int) -> np.ndarray:
        """The next `count` numbers, int64."""
        found = np.frombuffer(self.data, np.uint8, offset=self.position)[: _MOST_BYTES * count]
        ends = np.flatnonzero(found < 128)[:count]
        lengths = np.diff(ends, prepend=-1)
        if (lengths > _MOST_BYTES).any() or (len(ends) < count and len(found) == _MOST_BYTES * count):
            raise BitstreamError(f"the {self._whole} is damaged: a number in its {self._part} has no end")
        if len(ends) < count:
            self.take(len(found) + 1)  # says where it is cut short
        if not count:
            return np.zeros(0, np.int64)
        begins = ends - lengths + 1
        taken = np.frombuffer(self.take(int(ends[-1]) + 1), np.uint8)
        shift = 7 * (np.arange(len(taken)) - np.repeat(begins, lengths))
        return np.add.reduceat((taken & 127).astype(np.int64) << shift, begins)
