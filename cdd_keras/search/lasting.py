"""A KerasTuner oracle's bookkeeping, as a search that may be killed anywhere needs it.

Changed of KerasTuner 1.4.8: the base configuration is tried first; state is written whole; a
trial whose process died is handed out again, whichever process asks; an error in one request
ends the others.
"""

import collections
import functools
import json
import random
import shutil
import threading
import time
from pathlib import Path

from keras_tuner.engine import hyperparameters as parameters
from keras_tuner.engine.trial import TrialStatus

from cdd_keras.files import write_text

# A trial whose process dies this often is at fault itself: too big for the memory, say.
MOST_ATTEMPTS = 3


def synchronized(method):
    """One request at a time; once one has raised, what it raised is every later one's answer.

    KerasTuner's own lock stays taken for ever after an error.
    """

    @functools.wraps(method)
    def locked(self, *arguments, **named):
        with self._lock:
            if self._error is not None:
                raise self._error
            try:
                return method(self, *arguments, **named)
            except Exception as error:
                self._error = error
                raise

    return locked


class LastingOracle:
    """Mixin of a KerasTuner oracle.

    Attributes:
        first_values: of the first trial; None: drawn like the others.
        on_end: called with a trial's name, its values and, where it failed, a reason.
        lease: seconds without a sign of life after which a trial's process is taken for dead;
            None where there is one process only. To be set before `reload`.
        progress: the step of a trial's newest checkpoint by its name, 0 without any.
    """

    first_values: dict | None = None
    on_end = staticmethod(lambda trial, values, reason: None)
    lease: float | None = None
    progress = staticmethod(lambda trial: 0)
    # Whether a tuner was told that there is nothing more to do.
    _stopped = False

    def __init__(self, **settings):
        super().__init__(max_consecutive_failed_trials=-1, **settings)
        self._lock = threading.RLock()
        self._error: Exception | None = None
        self.verbose = 0
        self.attempts = collections.Counter()
        self._reached = collections.Counter()
        self._seen: dict[str, float] = {}

    @property
    @synchronized
    def finished(self):
        """Whether there is nothing more to do: a tuner was told so, or would be.

        Raises:
            Exception: what a request raised.
        """
        waiting = self.ongoing_trials or self._retry_queue
        return self._stopped or (len(self.end_order) >= self.max_trials and not waiting)

    @synchronized
    def create_trial(self, tuner_id):
        """The trial a tuner is to run; IDLE while another's may yet have to be taken over."""
        while True:
            trial = super().create_trial(tuner_id)
            if trial.status == TrialStatus.STOPPED:
                if self.ongoing_trials:
                    self.tuner_ids.add(tuner_id)
                    trial.status = TrialStatus.IDLE
                self._stopped = trial.status == TrialStatus.STOPPED
            if trial.status != TrialStatus.RUNNING:
                return trial
            if self._may_try(trial.trial_id):
                self._seen[trial.trial_id] = time.monotonic()
                self.save()
                return trial
            trial.status = TrialStatus.FAILED
            trial.message = f"its process ended {MOST_ATTEMPTS} times while it ran"
            self.end_trial(trial)

    def _may_try(self, name):
        """Counts another attempt at a trial, those that got further than any before apart."""
        if (step := self.progress(name)) > self._reached[name]:
            self._reached[name], self.attempts[name] = step, 0
        self.attempts[name] += 1
        return self.attempts[name] <= MOST_ATTEMPTS

    @synchronized
    def update_trial(self, trial_id, metrics, step=0):
        """KerasTuner's."""
        return super().update_trial(trial_id, metrics, step)

    @synchronized
    def end_trial(self, trial):
        """Keeps a trial's outcome; one that ended before, by another's hand, is left as it is."""
        if trial.trial_id in self.end_order:
            return
        if trial.trial_id in self._retry_queue:
            self._retry_queue.remove(trial.trial_id)
        # KerasTuner's messages add inactive values, and a worker's would not be known again.
        trial.hyperparameters = self.trials[trial.trial_id].hyperparameters
        super().end_trial(trial)
        # KerasTuner saved it as still running.
        self.save()
        self.on_end(trial.trial_id, trial.hyperparameters.values, trial.message)

    def get_trial(self, trial_id):
        """The trial; asking for it is its process's sign of life."""
        self._seen[trial_id] = time.monotonic()
        return super().get_trial(trial_id)

    @synchronized
    def reclaim(self):
        """Takes back trials whose process gave no sign of life for `lease` seconds.

        Returns:
            (tuner, trial) names of those.
        """
        now, taken = time.monotonic(), []
        for tuner_id, trial in list(self.ongoing_trials.items()):
            if now - self._seen.setdefault(trial.trial_id, now) > self.lease:
                del self.ongoing_trials[tuner_id]
                self.tuner_ids.discard(tuner_id)
                self._retry_queue.append(trial.trial_id)
                taken.append((tuner_id, trial.trial_id))
        if taken:
            self.save()
        return taken

    def reload(self):
        """Goes on from what `save` wrote; what a chief's workers ran stays theirs.

        KerasTuner would queue it; but a worker outlives its chief, and goes on. One process alone
        has no others, so whatever ran is queued.
        """
        super().reload()
        state = json.loads(Path(self._get_oracle_fname()).read_text(encoding="utf-8"))
        self._forget_unborn()
        ended = set(self.end_order)
        if self.lease is not None:
            self.ongoing_trials = {
                tuner_id: self.trials[trial_id]
                for tuner_id, trial_id in state["ongoing_trials"].items()
                if trial_id not in ended
            }
        running = {trial.trial_id for trial in self.ongoing_trials.values()}
        self._retry_queue = [name for name in self.trials if name not in ended | running]

    def _forget_unborn(self):
        """Drops a trial whose file is there and which the oracle's own state does not know.

        Nobody was told of it. It is drawn again (by `bayesian` perhaps otherwise: KerasTuner does
        not keep where its search begins), and counted this time.
        """
        for name in set(self.trials) - set(self.start_order):
            del self.trials[name]
            shutil.rmtree(self._get_trial_dir(name))

    def get_state(self):
        counts = {"attempts": dict(self.attempts), "reached": dict(self._reached)}
        return {**super().get_state(), **counts}

    def set_state(self, state):
        super().set_state(state)
        self.attempts = collections.Counter(state["attempts"])
        self._reached = collections.Counter(state["reached"])

    def save(self):
        # KerasTuner writes in place: a kill in between would lose the search.
        write_text(self._get_oracle_fname(), json.dumps(self.get_state()))

    def _save_trial(self, trial):
        path = f"{self._get_trial_dir(trial.trial_id)}/trial.json"
        write_text(path, json.dumps(trial.get_state()))

    def _random_values(self):
        if self.first_values is not None and not self.trials:
            return dict(self.first_values)
        return super()._random_values() or self._left_over()

    def _left_over(self):
        """Values that were not tried, of a space that is small; None if there are none.

        KerasTuner gives up when 21 draws in a row were tried before.
        """
        left = [one for one in combinations(self.hyperparameters.space) if not self._duplicate(one)]
        self._seed_state += 1
        return random.Random(self._seed_state).choice(left) if left else None


def combinations(space, values=None):
    """Yields all values of parameters in KerasTuner's terms, without those of endless ranges.

    Args:
        space: KerasTuner's parameters, each after those it depends on.
        values: of the parameters before them.
    """
    values = values or {}
    if not space:
        yield values
        return
    first, *others = space
    if not all(condition.is_active(values) for condition in first.conditions):
        yield from combinations(others, values)
        return
    for value in _countable(first):
        yield from combinations(others, {**values, first.name: value})


def _countable(parameter):
    if getattr(parameter, "step", 1) is not None:
        return parameter.values
    whole = isinstance(parameter, parameters.Int)
    return range(parameter.min_value, parameter.max_value + 1) if whole else ()
