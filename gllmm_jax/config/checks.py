"""Rules that fields of a config keep."""

from typing import Any

COUNT = "a whole number above zero"


def check(config: Any, **rules: tuple[bool, str]) -> None:
    """Raises `ValueError` for the first field whose rule (whether it holds, what it asks for) is broken."""
    for name, (holds, wanted) in rules.items():
        if not holds:
            raise ValueError(f"{name} must be {wanted}, not {getattr(config, name)!r}")


def is_count(value: object) -> bool:
    return isinstance(value, int) and value > 0


def are_counts(values: object, length: int | None) -> bool:
    return isinstance(values, tuple) and len(values) == length and all(map(is_count, values))


def with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
