"""The two image domains, and how an image is addressed.

A path names an image by the domains it went through: ``(SOURCE,)`` is a real
source image, ``(SOURCE, SOURCE)`` its reconstruction, ``(SOURCE, TARGET)`` its
translation, ``(SOURCE, TARGET, SOURCE)`` a cycle and ``(NOISE, TARGET)`` a
sample drawn from the prior. An `Edit` names the image at the end of a path with
an attribute value drawn into it; a path may begin with one, for what is made of it.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "source"
TARGET = "target"
NOISE = "noise"
DOMAINS = (SOURCE, TARGET)

Path = tuple["str | Edit", ...]

# Which value: the one the image has (or is believed to have), another one, any one.
OWN = "own"
OTHER = "other"
ANY = "any"
# In place of a value's index: none, the base image.
NO_VALUE = -1


@dataclass(frozen=True)
class Edit:
    """The image at `path` with an attribute value drawn into it.

    Args:
        path: where the base image is.
        value: OWN, OTHER or ANY.
        rows: which part of the batch is edited, as fractions (start, end).
    """

    path: Path
    value: str
    rows: tuple[float, float] = (0.0, 1.0)


Address = Path | Edit


def other(domain: str) -> str:
    """The opposite domain."""
    return TARGET if domain == SOURCE else SOURCE


def last_domain(address: Address) -> str:
    """The domain an addressed image belongs to."""
    if isinstance(address, Edit):
        return last_domain(address.path)
    last = address[-1]
    return last_domain(last) if isinstance(last, Edit) else last
