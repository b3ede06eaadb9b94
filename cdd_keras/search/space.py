"""The space of a search: which settings vary, over what, and when."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from cdd_keras import schema
from cdd_keras.config import Config

# Significant digits of a searched number: enough for any setting, and fit to be read.
DIGITS = 6


@dataclasses.dataclass(frozen=True)
class Dimension:
    """One way in which a setting varies.

    Attributes:
        name: the setting.
        values: what it may be, or None for a range.
        low, high: the ends of the range, both included.
        step: the distance between values of a range; None: any value, or any whole number.
        scale: "linear" or "log".
        when: (other setting, its values under which this dimension is searched), all of them.
        case: which of several dimensions of its setting it is, or None for the only one.
    """

    name: str
    values: tuple | None = None
    low: float | None = None
    high: float | None = None
    step: float | None = None
    scale: str = "linear"
    when: tuple[tuple[str, tuple], ...] = ()
    case: int | None = None

    @property
    def key(self) -> str:
        """Its name in KerasTuner and in messages: KerasTuner loses values under a shared one."""
        return self.name if self.case is None else f"{self.name}[{self.case}]"

    @property
    def kind(self) -> type:
        """int, float, bool or str."""
        return schema.value_type(FIELDS[self.name])

    def holds(self, value: Any) -> bool:
        """Whether the dimension can take the value."""
        if self.values is not None:
            return value in self.values
        return value is not None and self.low <= value <= self.high

    def settle(self, value: Any) -> Any:
        """The value of this dimension that a value from KerasTuner stands for."""
        if self.kind in (bool, str):
            return self.kind(value)
        if self.values is not None:
            return min(self.values, key=lambda one: abs(one - value))
        value = self.kind(float(f"{value:.{DIGITS}g}") if self.kind is float else round(value))
        return min(max(value, self.low), self.high)

    def is_active(self, settings: Mapping[str, Any]) -> bool:
        """Whether it is searched where the other settings have these values."""
        return all(name in settings and settings[name] in values for name, values in self.when)


FIELDS = {field.name: field for field in dataclasses.fields(Config)}


@dataclasses.dataclass(frozen=True)
class Space:
    """All dimensions, each after those its conditions name."""

    dimensions: tuple[Dimension, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The settings searched, each once."""
        return tuple(dict.fromkeys(one.name for one in self.dimensions))

    def settle(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that KerasTuner's values stand for; only those that are active."""
        settled: dict[str, Any] = {}
        for one in self.dimensions:
            if one.key in values and one.is_active(settled):
                settled[one.name] = one.settle(values[one.key])
        return settled

    def values_of(self, config: Config) -> dict[str, Any] | None:
        """A configuration's values as KerasTuner's, which :meth:`settle` gives back.

        None where one of an active dimension lies outside.
        """
        settings: dict[str, Any] = {}
        values: dict[str, Any] = {}
        for one in self.dimensions:
            if one.is_active(settings):
                settings[one.name] = values[one.key] = getattr(config, one.name)
                if not one.holds(settings[one.name]):
                    return None
        return values
