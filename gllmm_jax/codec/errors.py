"""Errors of the codec room."""


class BitstreamError(ValueError):
    """The bytes are not a stream this decoder can read: truncated, altered, or made by another model."""
