"""Errors that several rooms raise."""


class BitstreamError(ValueError):
    """The bytes are not a stream this decoder can read: truncated, altered, or made by another model."""


class CutShortError(BitstreamError):
    """The bytes end before what they begin is whole."""


class PictureError(ValueError):
    """A picture that cannot be read or written as asked; the message is one sentence."""
