"""KerasTuner's oracles made to last, and to make up for failures; a search's space in its terms."""

import math
import warnings

import keras_tuner as kt
import numpy as np
from keras_tuner.engine import hyperparameters as parameters
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.src.engine.conditions import Parent
from sklearn.exceptions import ConvergenceWarning

from cdd_keras.search.lasting import LastingOracle


class RandomOracle(LastingOracle, kt.oracles.RandomSearchOracle):
    """Values drawn independently."""


class BayesianOracle(LastingOracle, kt.oracles.BayesianOptimizationOracle):
    """Values where a Gaussian process on the trials so far expects, or does not know, most."""

    def populate_space(self, trial_id):
        """As KerasTuner's; values that were tried are not tried again, but others drawn."""
        # A length scale at its bound says that the trials look like noise; KerasTuner fixes the
        # bounds, and the next trial is then a guess.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            response = super().populate_space(trial_id)
        values = response["values"]
        if values and self._compute_values_hash(values) in self._tried_so_far:
            return self._random_populate_space()
        return response

    def _vectorize_trials(self):
        """As KerasTuner's; a failure counts as the worst outcome, or it would be asked for again.

        Returns:
            Places in the unit cube, (trials, dimensions), and what to minimise there, (trials,).
        """
        places, costs = super()._vectorize_trials()
        failed = [one for one in self.trials.values() if one.status == TrialStatus.FAILED]
        if not failed:
            return places, costs
        worst = max(
            -one.score for one in self.trials.values() if one.status == TrialStatus.COMPLETED
        )
        return (
            np.concatenate([places, [self._place(one.hyperparameters) for one in failed]]),
            np.concatenate([costs, np.full(len(failed), worst)]),
        )

    def _place(self, hyperparameters):
        """Where values lie, (dimensions,) in [0, 1]; those not active as KerasTuner has them."""
        values = hyperparameters.values
        return [
            one.value_to_prob(values[one.name] if hyperparameters.is_active(one) else one.default)
            for one in self._nonfixed_space()
        ]


class HyperbandOracle(LastingOracle, kt.oracles.HyperbandOracle):
    """Many short trials, the best of which go on (Li et al. 2018)."""

    @property
    def fewest_trials(self):
        """How many it takes until the first trains to its end, if none fails."""
        last = self._get_num_brackets() - 1
        return 1 + sum(self._get_size(last, number) for number in range(last))

    @property
    def first_rung(self):
        """After how many evaluations trials are compared for the first time."""
        return self._get_epochs(self._get_num_brackets() - 1, 0)

    def populate_space(self, trial_id):
        """As KerasTuner's, which waits for ever for trials that failed, and promotes nobody.

        In a first rung a failure makes room for another; in a later one it counts as beaten by
        all that are left.
        """
        for bracket in self._brackets:
            bracket["rounds"][0] = [
                one
                for one in bracket["rounds"][0]
                if self.trials[one["id"]].status != TrialStatus.FAILED
            ]
        beaten = [trial for bracket in self._brackets for trial in self._beaten(bracket["rounds"])]
        for trial in beaten:
            trial.status, trial.score = TrialStatus.COMPLETED, -math.inf
        try:
            return super().populate_space(trial_id)
        finally:
            for trial in beaten:
                trial.status, trial.score = TrialStatus.FAILED, None

    def _beaten(self, rounds):
        """Failures of later rungs, where there is still one better to promote in their place."""
        for number, rung in enumerate(rounds[1:-1], start=1):
            selected = {one["past_id"] for one in rounds[number + 1]}
            left = [self.trials[one["id"]] for one in rung if one["id"] not in selected]
            if any(trial.status == TrialStatus.COMPLETED for trial in left):
                yield from (trial for trial in left if trial.status == TrialStatus.FAILED)

    def set_state(self, state):
        # More trials than before may be asked for.
        super().set_state({**state, "hyperband_iterations": self.hyperband_iterations})


def make_oracle(plan, evaluations: int) -> LastingOracle:
    """The oracle of a search.

    Args:
        plan: the `Plan`.
        evaluations: how many a whole run has; Hyperband's rungs are counted in them.
    """
    settings = {
        "objective": kt.Objective(str(plan.objective), "max"),
        "hyperparameters": hyperparameters(plan.space, plan.config),
        # KerasTuner takes 0 for "any".
        "seed": plan.config.seed + 1,
    }
    if plan.tuner == "hyperband":
        # As often over as there are trials for.
        settings |= {"max_epochs": evaluations, "hyperband_iterations": plan.max_trials}
        oracle = HyperbandOracle(**settings)
        oracle.max_trials = plan.max_trials
    elif plan.tuner == "bayesian":
        # KerasTuner's own number, 3 a dimension, would leave short searches all random.
        random_trials = max(3, min(plan.max_trials // 3, 3 * len(plan.space.dimensions)))
        settings |= {"max_trials": plan.max_trials, "num_initial_points": random_trials}
        oracle = BayesianOracle(**settings)
    else:
        oracle = RandomOracle(max_trials=plan.max_trials, **settings)
    oracle.first_values = plan.space.values_of(plan.config)
    return oracle


def hyperparameters(space, config) -> kt.HyperParameters:
    """A space in KerasTuner's terms, each default the configuration's value where it can be."""
    hp = kt.HyperParameters()
    # Not by conditional scopes: they nest, and a dimension may depend on two independent ones.
    hp.merge([_parameter(one, getattr(config, one.name)) for one in space.dimensions])
    return hp


def _parameter(one, default):
    settings = {
        "name": one.key,
        "default": default if one.holds(default) else None,
        "conditions": [Parent(name, list(values)) for name, values in one.when],
    }
    if one.kind is bool and len(one.values) == 2:
        return parameters.Boolean(**{**settings, "default": bool(settings["default"])})
    if one.values is not None:
        return parameters.Choice(values=list(one.values), **settings)
    make = parameters.Int if one.kind is int else parameters.Float
    ends = {"min_value": one.low, "max_value": one.high}
    return make(**ends, step=one.step, sampling=one.scale, **settings)
