"""Attributes of images and the names of their values."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from cdd_keras.errors import UsageError


def kebab(name: str) -> str:
    """`Wearing_Hat` -> `wearing-hat`: how names are compared and shown."""
    return re.sub(r"[_\s]+", "-", name.strip().lower())


@dataclass(frozen=True)
class Attribute:
    """A categorical property of an image.

    name: as the data spell it. values: one name a class, in the order of the labels.
    """

    name: str
    values: tuple[str, ...]

    @property
    def classes(self) -> int:
        return len(self.values)

    def unnamed(self) -> "Attribute":
        """The same with numbers for names: codes that a method found without labels."""
        return Attribute(self.name, tuple(f"code-{number}" for number in range(self.classes)))

    def index(self, text: str | int) -> int:
        """The label of a value given by its name (in any case) or its index.

        Raises:
            UsageError: neither a name nor an index of this attribute.
        """
        wanted = kebab(str(text))
        names = [kebab(value) for value in self.values]
        if wanted in names:
            return names.index(wanted)
        if wanted.isdecimal() and int(wanted) < self.classes:
            return int(wanted)
        options = ", ".join(f"{value} ({i})" for i, value in enumerate(self.values))
        raise UsageError(f"`{text}` is not a value of {self.name}. Expected one of {options}.")


def binary_attribute(name: str) -> Attribute:
    """The attribute `name` with the values no (0) and yes (1)."""
    shown = kebab(name)
    return Attribute(name, (f"no-{shown}", shown))


def match_attribute(wanted: str, names: Iterable[str], source: str, field: str = "attr") -> str:
    """The one of `names` that `wanted` means, regardless of case, `_` and `-`.

    `source` and `field` (of the configuration) are for the message.

    Raises:
        UsageError: there is none; the closest names are suggested.
    """
    by_kebab = {kebab(name): name for name in names}
    if kebab(wanted) in by_kebab:
        return by_kebab[kebab(wanted)]
    close = get_close_matches(kebab(wanted), by_kebab, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(by_kebab[name] for name in close)}?" if close else ""
    raise UsageError(
        f"`{field}` names no attribute of {source}: {wanted!r}.{hint} "
        f"Expected one of {', '.join(by_kebab.values())}."
    )
