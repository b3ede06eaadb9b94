"""Figures about predictions: against labels, and without any."""

from cdd_keras.metrics.classification import score, wilson_interval
from cdd_keras.metrics.selection import Evaluation, pick_label_free, select
from cdd_keras.metrics.summary import build_report, plain
from cdd_keras.metrics.validators import DEFAULT, VALIDATORS, register, validate, validate_all

__all__ = [
    "DEFAULT",
    "VALIDATORS",
    "Evaluation",
    "build_report",
    "pick_label_free",
    "plain",
    "register",
    "score",
    "select",
    "validate",
    "validate_all",
    "wilson_interval",
]
