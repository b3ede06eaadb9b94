"""When a run is evaluated: at equal intervals, and at its end."""

import math


def evaluation_interval(config):
    """Steps between two evaluations."""
    return max(1, round(config.evaluate_every * config.steps))


def evaluation_count(config):
    """How many evaluations a whole run has."""
    return math.ceil(config.steps / evaluation_interval(config))


def is_due(step, config):
    """Whether an evaluation follows the step."""
    return step == config.steps or step % evaluation_interval(config) == 0


def last_due(step, config):
    """The step of the last evaluation up to a step; 0 before the first."""
    return step if step == config.steps else step - step % evaluation_interval(config)
