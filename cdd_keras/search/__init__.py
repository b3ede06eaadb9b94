"""Hyper-parameter search: a space of settings, trials that are trainings, KerasTuner to choose.

Importing it is light; what needs TensorFlow is imported when a search runs.
"""

from cdd_keras.search.objectives import parse_objective
from cdd_keras.search.plan import TUNERS, Plan, SearchFolder
from cdd_keras.search.space_file import parse_space, read_space

__all__ = ["TUNERS", "Plan", "SearchFolder", "parse_objective", "parse_space", "read_space"]
