"""The methods, one module each: `networks(config, classes)`, `prior(config)`, `recipe(config)`."""

from importlib import import_module

from cdd_keras.config import METHODS


def find_method(name):
    """The module of a method.

    Raises:
        ValueError: there is no such method.
    """
    if name not in METHODS:
        raise ValueError(f"`method` is unknown: {name!r}. Expected one of {METHODS}.")
    return import_module(f"cdd_keras.methods.{name}")


def reads_target_labels(name):
    """Whether a method may see the target's labels in training: the oracle alone."""
    return getattr(find_method(name), "READS_TARGET_LABELS", False)
