"""The space of a search as a YAML file declares it: read, and checked.

A file holds a key a setting::

    generator_rate: {min: 5e-4, max: 5e-3, scale: log}
    code_shape: {values: [spatial, flat]}
    code_size:
      - {values: [8, 16, 24], when: {code_shape: spatial}}
      - {min: 32, max: 256, scale: log, when: {code_shape: flat}}

`when` names values of other settings of the file under which this one varies; elsewhere it has
the value of the base configuration. Everything is checked against the configuration's schema.
"""

import dataclasses
from pathlib import Path
from typing import Any

import yaml

from cdd_keras import schema, yaml_text
from cdd_keras.errors import UsageError
from cdd_keras.search.space import FIELDS, Dimension, Space

# What all trials must share, or their objectives could not be compared.
FIXED_SECTIONS = ("experiment", "data", "evaluation")
SEARCHABLE_BESIDES = ("batch_size", "balanced")
KEYS = ("min", "max", "step", "scale", "values", "when")
SCALES = ("linear", "log")
SEARCHABLE = tuple(
    name
    for name, field in FIELDS.items()
    if field.metadata["section"] not in FIXED_SECTIONS or name in SEARCHABLE_BESIDES
)


def read_space(path: str | Path) -> Space:
    """The space that a YAML file declares.

    Raises:
        UsageError: the file cannot be read, or is wrong; the key's path is named.
    """
    try:
        content = yaml_text.load(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"search space {path} cannot be read: {reason}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid YAML: {yaml_text.describe(error)}") from error
    try:
        return parse_space(content)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def parse_space(content: Any) -> Space:
    """The space that the content of a file declares; raises UsageError with the key's path."""
    if not isinstance(content, dict) or not content:
        raise UsageError(
            "the file names no setting. Expected lines such as "
            "`generator_rate: {min: 5e-4, max: 5e-3, scale: log}`."
        )
    dimensions = []
    for name, given in content.items():
        _check_name(name)
        several = isinstance(given, list)
        if several and not given:
            raise UsageError(f"`{name}` is empty. Expected at least one range or list of values.")
        for index, one in enumerate(given if several else [given]):
            dimensions.append(_dimension(Dimension(name, case=index if several else None), one))
    _check_conditions(dimensions)
    _check_alternatives(dimensions)
    return Space(tuple(_in_order(dimensions)))


def _check_name(name: Any) -> None:
    if name not in FIELDS:
        hint = schema.suggest(str(name), SEARCHABLE) or " `tune --help` lists the settings."
        raise UsageError(f"unknown setting `{name}`.{hint}")
    if name not in SEARCHABLE:
        raise UsageError(
            f"`{name}` cannot be searched: all trials must share it to be compared. "
            f"Give it as the flag --{name.replace('_', '-')}."
        )


def _dimension(bare: Dimension, given: Any) -> Dimension:
    """The dimension that a file gives, on the bare one that has its name and case."""
    name, path = bare.name, bare.key
    if not isinstance(given, dict):
        raise UsageError(f"`{path}` is {given!r}. Expected {{min: …, max: …}} or {{values: […]}}.")
    for key in given:
        if key not in KEYS:
            hint = schema.suggest(str(key), KEYS)
            raise UsageError(
                f"unknown key `{path}.{key}`. Expected some of {', '.join(KEYS)}.{hint}"
            )
    when = _conditions(given.get("when", {}), path)
    if "values" in given:
        for key in ("min", "max", "step", "scale"):
            if key in given:
                raise UsageError(f"`{path}.{key}` does not go with `{path}.values`. Leave one out.")
        return dataclasses.replace(bare, values=_values(name, given["values"], path), when=when)
    return dataclasses.replace(bare, **_range(name, given, path), when=when)


def _values(name: str, given: Any, path: str) -> tuple:
    if not isinstance(given, list) or not given:
        raise UsageError(f"`{path}.values` is {given!r}. Expected a list of values.")
    values = []
    for index, value in enumerate(given):
        label = f"{path}.values[{index}]"
        values.append(schema.check(FIELDS[name], value, label))
        if value is None:
            raise UsageError(f"`{label}` is none, which cannot be searched. Leave it out.")
        if values[-1] in values[:-1]:
            raise UsageError(f"`{label}` is given twice: {value!r}.")
    return tuple(values)


def _range(name: str, given: dict, path: str) -> dict:
    field = FIELDS[name]
    kind = schema.value_type(field)
    if kind not in (int, float):
        raise UsageError(f"`{path}` needs `values`, a list: {name} is {schema.expectation(field)}.")
    for key in ("min", "max"):
        if key not in given:
            raise UsageError(f"`{path}.{key}` is missing. Expected {schema.expectation(field)}.")
    low, high = (schema.check(field, given[key], f"{path}.{key}") for key in ("min", "max"))
    scale = given.get("scale", "linear")
    if scale not in SCALES:
        raise UsageError(
            f"`{path}.scale` is {scale!r}. Expected one of {', '.join(SCALES)}."
            f"{schema.suggest(str(scale), SCALES)}"
        )
    if low >= high:
        raise UsageError(
            f"`{path}.min` is not below `{path}.max`: {low} and {high}. Expected min < max."
        )
    if scale == "log" and low <= 0:
        raise UsageError(f"`{path}.min` is {low}. Expected more than 0 for the scale log.")
    step = _step(given, path, kind, high - low, scale)
    return {"low": low, "high": high, "step": step, "scale": scale}


def _step(given: dict, path: str, kind: type, width: float, scale: str) -> float | None:
    step = given.get("step")
    if step is None:
        return None
    if scale == "log":
        raise UsageError(f"`{path}.step` does not go with the scale log. Use `values`.")
    if isinstance(step, bool) or not isinstance(step, int if kind is int else (int, float)):
        raise UsageError(f"`{path}.step` is {step!r}. Expected {schema.NAMES[kind]}.")
    if not 0 < step <= width:
        raise UsageError(f"`{path}.step` is {step}. Expected more than 0 and at most {width:g}.")
    return kind(step)


def _conditions(given: Any, path: str) -> tuple:
    if not isinstance(given, dict):
        raise UsageError(f"`{path}.when` is {given!r}. Expected {{setting: value or values}}.")
    for name, values in given.items():
        if values == []:
            raise UsageError(
                f"`{path}.when.{name}` is empty: under no value it would vary. "
                f"Expected some of {name}'s values."
            )
    return tuple(
        (name, tuple(values) if isinstance(values, list) else (values,))
        for name, values in given.items()
    )


def _check_conditions(dimensions: list[Dimension]) -> None:
    """Every condition names a setting of the space and values that it can have."""
    for one in dimensions:
        for name, values in one.when:
            path = f"{one.key}.when.{name}"
            parents = [other for other in dimensions if other.name == name]
            if not parents or name == one.name:
                known = {other.name for other in dimensions} - {one.name}
                others = f"one of {', '.join(sorted(known))}" if known else "another setting in it"
                raise UsageError(
                    f"`{path}` is a condition on what the space does not have. "
                    f"Expected {others}.{schema.suggest(str(name), known)}"
                )
            if len(parents) > 1 or parents[0].values is None:
                raise UsageError(
                    f"`{path}` is a condition on a range, or on several cases. Give {name} as one "
                    "list of `values`."
                )
            possible = parents[0].values
            for value in values:
                # True == 1, which is no value of a switch.
                if not any(value == known and type(value) is type(known) for known in possible):
                    raise UsageError(
                        f"`{path}` is {value!r}, which {name} never is. Expected some of "
                        f"{', '.join(map(str, possible))}."
                    )


def _check_alternatives(dimensions: list[Dimension]) -> None:
    """Of several dimensions of one setting, no two are active at once."""
    for index, one in enumerate(dimensions):
        for other in dimensions[:index]:
            if other.name == one.name and not _exclude(one, other):
                raise UsageError(
                    f"`{one.name}` is given twice for the same case. "
                    "Expected a `when` in each with different values of one setting."
                )


def _exclude(one: Dimension, other: Dimension) -> bool:
    others = dict(other.when)
    return any(name in others and not set(values) & set(others[name]) for name, values in one.when)


def _in_order(dimensions: list[Dimension]) -> list[Dimension]:
    """The same with every dimension after those that its conditions name."""
    ordered: list[Dimension] = []
    left = list(dimensions)
    while left:
        waiting = {one.name for one in left}
        ready = [one for one in left if not any(name in waiting for name, _ in one.when)]
        if not ready:
            names = ", ".join(dict.fromkeys(one.name for one in left))
            raise UsageError(f"the conditions of {names} wait for each other.")
        ordered += ready
        left = [one for one in left if one not in ready]
    return ordered


# What decides how well `cdd` reads the target: rates, beliefs, and when edits begin.
DEFAULT = parse_space(
    {
        "generator_rate": {"min": 5e-4, "max": 4e-3, "scale": "log"},
        "discriminator_rate": {"min": 3e-4, "max": 3e-3, "scale": "log"},
        "classifier_rate": {"min": 1e-3, "max": 1e-2, "scale": "log"},
        "belief_via_source": {"min": 0.2, "max": 0.8},
        "class_weight": {"min": 0.05, "max": 1.0, "scale": "log"},
        "edit_start": {"min": 0.1, "max": 0.5},
    }
)
