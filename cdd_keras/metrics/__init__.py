"""Figures about predictions: against labels, and without any.

Names are resolved on first use: commands that only talk do without scikit-learn.
"""

from cdd_keras.lazy import resolver

_PUBLIC = {
    "DEFAULT": ".validators",
    "VALIDATORS": ".validators",
    "Evaluation": ".selection",
    "build_report": ".summary",
    "pick_label_free": ".selection",
    "plain": ".summary",
    "register": ".validators",
    "score": ".classification",
    "select": ".selection",
    "validate": ".validators",
    "validate_all": ".validators",
    "wilson_interval": ".classification",
}
__all__ = list(_PUBLIC)
__getattr__ = resolver(__name__, _PUBLIC)
