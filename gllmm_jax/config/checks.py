"""Rules for the fields of a config."""

import math
from typing import Any

COUNT = "a whole number above zero"

WIDEST = 8192
WIDTH = f"a whole number from 1 to {WIDEST}"

DEEPEST = 64
DEPTH = f"a whole number from 1 to {DEEPEST}"


def check(config: Any, **rules: tuple[bool, str]) -> None:
    """Raises `ValueError` for the first field that breaks its rule. A rule is (whether it holds, what it asks for)."""
    for name, (holds, wanted) in rules.items():
        if not holds:
            raise ValueError(f"{name} must be {wanted}, not {getattr(config, name)!r}")


def is_count(value: object, most: float = math.inf) -> bool:
    return type(value) is int and 0 < value <= most


def is_width(value: object) -> bool:
    """Whether it is a number of channels that a network can have. A config may come from any file."""
    return is_count(value, WIDEST)


def are_widths(values: object, length: int | None) -> bool:
    return isinstance(values, tuple) and len(values) == length and all(map(is_width, values))


def with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
