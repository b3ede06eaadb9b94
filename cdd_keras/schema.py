"""Declaring and checking settings: what each value may be, and an error that says so.

A setting is a dataclass field made by :func:`setting`; its type annotation, range and
choices are read from there by the checks, by ``--help`` and by the flags.
"""

import dataclasses
import difflib
import math
import os
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, get_args

from cdd_keras.errors import UsageError

NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


@dataclasses.dataclass(frozen=True)
class Interval:
    """Numbers between two ends, written as in mathematics: ``"(0, 1]"`` or ``"[1, inf)"``."""

    text: str

    def __contains__(self, value: float) -> bool:
        low, high = (float(end) for end in self.text[1:-1].split(","))
        above = value >= low if self.text[0] == "[" else value > low
        below = value <= high if self.text[-1] == "]" else value < high
        return above and below


def setting(
    section: str,
    default: Any,
    help: str,
    range: str | None = None,
    *,
    choices: tuple[str, ...] | None = None,
    multiple: int | None = None,
) -> Any:
    """A dataclass field with what a person needs to know about it.

    Args:
        section: The heading it stands under in ``--help``.
        default: Its value where none is given.
        help: One sentence.
        range: The numbers allowed, such as ``"(0, 1]"`` (see :class:`Interval`).
        choices: The texts allowed.
        multiple: The number that the value must be a multiple of.
    """
    metadata = {
        "section": section,
        "help": help,
        "range": Interval(range) if range else None,
        "choices": choices,
        "multiple": multiple,
    }
    return dataclasses.field(default=default, metadata=metadata)


def value_type(field: dataclasses.Field) -> type:
    """The type of a field's values: int, float, bool or str (None left aside)."""
    return next((kind for kind in get_args(field.type) if kind is not type(None)), field.type)


def optional(field: dataclasses.Field) -> bool:
    """Whether the field may be None."""
    return type(None) in get_args(field.type)


def expectation(field: dataclasses.Field) -> str:
    """What the field's value may be, in words: ``a whole number in [1, inf)``."""
    facts = field.metadata
    words = NAMES[value_type(field)]
    if facts["choices"]:
        words = f"one of {', '.join(facts['choices'])}"
    if facts["range"]:
        words += f" in {facts['range'].text}"
    if facts["multiple"]:
        words += f" that is a multiple of {facts['multiple']}"
    return f"{words}, or none" if optional(field) else words


def suggest(name: str, names: Iterable[str]) -> str:
    """`` Did you mean X?`` for the nearest of the names, or nothing."""
    known = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f" Did you mean {known[near[0]]}?" if near else ""


def check(field: dataclasses.Field, value: Any, label: str | None = None) -> Any:
    """The value in the field's own type.

    Args:
        field: A field made by :func:`setting`.
        value: What was given.
        label: How the error calls the field; its name by default.

    Raises:
        UsageError: The value has the wrong type, is out of range or not a choice.
    """
    label = label or field.name
    if value is None and optional(field):
        return None
    converted = _convert(value, value_type(field))
    if converted is None:
        raise UsageError(f"`{label}` has the wrong type: {value!r}. Expected {expectation(field)}.")
    choices = field.metadata["choices"]
    if choices and converted not in choices:
        hint = suggest(converted, choices)
        raise UsageError(
            f"`{label}` is not available: {value!r}. Expected {expectation(field)}.{hint}"
        )
    if not _in_range(field, converted):
        raise UsageError(f"`{label}` is out of range: {value!r}. Expected {expectation(field)}.")
    return converted


def flag(field: dataclasses.Field) -> str:
    """What a setting is called on the command line."""
    return "--" + field.name.replace("_", "-")


def parse(field: dataclasses.Field, text: str, label: str | None = None) -> Any:
    """The value that a text on the command line stands for; raises as :func:`check` does."""
    if optional(field) and text.lower() in ("none", "null"):
        return None
    kind = value_type(field)
    if kind is bool:
        value = {"true": True, "false": False}.get(text.lower(), text)
    else:
        try:
            value = kind(text)
        except ValueError:
            value = text
    return check(field, value, label)


def _convert(value: Any, kind: type) -> Any:
    """The value as that type; None where it is of another (True is not a number)."""
    number = {int: Integral, float: Real}.get(kind)
    if number and isinstance(value, number) and not isinstance(value, bool):
        try:
            return kind(value)
        except OverflowError:
            return math.inf
    if kind is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    return value if type(value) is kind else None


def _in_range(field: dataclasses.Field, value: Any) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    interval, multiple = field.metadata["range"], field.metadata["multiple"]
    return (not interval or value in interval) and (not multiple or value % multiple == 0)
