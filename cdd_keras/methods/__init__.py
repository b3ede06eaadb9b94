"""The methods, one module each: `networks(config, classes)`, `prior(config)`, `recipe(config)`.

A module may have `TRAITS` as well, where they are not the usual ones, and `fit_at_rest(model,
images, labels)`, where something is fitted to a model that is not being trained.
"""

from importlib import import_module

from cdd_keras.config import METHODS
from cdd_keras.objective import Traits


def find_method(name):
    """The module of a method.

    Raises:
        ValueError: there is no such method.
    """
    if name not in METHODS:
        raise ValueError(f"`method` is unknown: {name!r}. Expected one of {METHODS}.")
    return import_module(f"cdd_keras.methods.{name}")


def traits_of(name):
    """What a method can be asked for and may see: `Traits`."""
    return getattr(find_method(name), "TRAITS", Traits())


def reads_target_labels(name):
    """Whether a method may see the target's labels in training: the oracle alone."""
    return traits_of(name).reads_target_labels
