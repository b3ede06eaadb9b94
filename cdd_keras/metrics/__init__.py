"""Figures about predictions: against labels, and without any.

Names are resolved on first use: commands that only talk do without scikit-learn.
"""

from importlib import import_module

_PUBLIC = {
    "DEFAULT": "validators",
    "VALIDATORS": "validators",
    "Evaluation": "selection",
    "build_report": "summary",
    "pick_label_free": "selection",
    "plain": "summary",
    "register": "validators",
    "score": "classification",
    "select": "selection",
    "validate": "validators",
    "validate_all": "validators",
    "wilson_interval": "classification",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str):
    if name in _PUBLIC:
        return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
