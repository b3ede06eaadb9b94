"""Packages whose names are resolved on first use, so that importing one costs nothing."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def resolver(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__` (PEP 562).

    Args:
        package: its `__name__`.
        modules: public name -> the module that has it, as seen from the package (".sets").
    """

    def resolve(name: str) -> Any:
        if name in modules:
            return getattr(import_module(modules[name], package), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return resolve
