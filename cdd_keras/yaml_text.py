"""YAML as configuration files need it: strict, and read as people write numbers.

PyYAML follows YAML 1.1, where ``2e-4`` is a text and ``no`` is false, and it lets a
repeated key win silently. Here ``2e-4`` is a number, only ``true`` and ``false`` are
booleans, and a repeated key is an error.
"""

import re
from typing import Any

import yaml

_PLAIN = {
    "tag:yaml.org,2002:bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "tag:yaml.org,2002:int": (r"[-+]?[0-9]+", "-+0123456789"),
    "tag:yaml.org,2002:float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "tag:yaml.org,2002:null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
}


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain values, and no key twice."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's name and form)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                mark = node.value[index][0].start_mark
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", mark
                )
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Quotes every text that either version of YAML would read as something else."""

    yaml_implicit_resolvers = dict(yaml.SafeDumper.yaml_implicit_resolvers)  # noqa: RUF012


for _tag, (_pattern, _first) in _PLAIN.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern})$"), list(_first))
# YAML 1.1's int would read 010 as octal; plain decimal here.
_Loader.add_constructor(
    "tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node))
)
_Loader.add_constructor(
    "tag:yaml.org,2002:float",
    lambda loader, node: float(re.sub(r"\.(?=[iInN])", "", loader.construct_scalar(node))),
)


def load(text: str) -> Any:
    """What the text says; raises ``yaml.YAMLError`` where it is not valid."""
    return yaml.load(text, _Loader)


def dump(values: dict) -> str:
    """The values as YAML, one a line, in their order; :func:`load` gives them back."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


def describe(error: Exception) -> str:
    """What was wrong with a text, in one line: ``line 3, column 5: mapping values are not ...``."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return place + (problem or str(error).splitlines()[0])
