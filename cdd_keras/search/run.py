"""A search from its plan to its results."""

import contextlib
import logging
import os

import tensorflow as tf

from cdd_keras.errors import CddError
from cdd_keras.intervals import evaluation_count
from cdd_keras.search import records
from cdd_keras.search.client import FinishedError
from cdd_keras.search.cluster import CHIEF, WORKER, serve
from cdd_keras.search.experiment import Experiment
from cdd_keras.search.notices import notices
from cdd_keras.search.oracles import make_oracle
from cdd_keras.search.results import Results, table
from cdd_keras.search.rungs import last_step
from cdd_keras.search.trials import TrialTuner


def search(plan, place, pair, say, lease: float, server=None) -> str | None:
    """Runs a search, or this process's part of it.

    Args:
        plan: the `Plan`, its folder prepared.
        place: the process's `Place`, entered.
        pair: the `DomainPair`; a chief needs none.
        say: called with lines for the person watching.
        lease: seconds without a sign of life after which a chief gives up a worker.
        server: a chief's, see `cluster.listening`.

    Returns:
        The results as text; None for a worker, which has none of its own.

    Raises:
        CddError: no trial trained to its end.
    """
    oracle = make_oracle(plan, evaluation_count(plan.config))
    if place.role != WORKER:
        for notice in notices(plan, oracle):
            say(notice)
    with _silence():
        results = Results(plan, say, lambda: len(oracle.tuner_ids))
        oracle.on_end = results.trial_ended
        oracle.progress = lambda name: last_step(plan.folder.trial(name))
        if place.role == CHIEF:
            oracle.lease = lease
        experiment = Experiment(plan, pair) if pair else None
        tuner = TrialTuner(oracle, plan, experiment, place, say)
        if place.role == WORKER:
            say(f"worker {place.name}: trains for the chief at {place.address}")
            with contextlib.suppress(FinishedError):
                tuner.search()
            say("the search has ended")
            return None
        results.tell_earlier()
        oracle.save()
        tuner.save()
        if place.role == CHIEF:
            serve(server, oracle, place, say, plan.mark_finished)
        else:
            tuner.search()
    known, ranking = results.finish()
    if len(oracle.trials) < plan.max_trials:
        say(f"the space has no more than these {len(oracle.trials)} trials: all have been tried")
    if records.best(known) is None:
        reasons = "; ".join(dict.fromkeys(one.reason for one in known if one.reason))
        raise CddError(f"no trial trained to its end, so there is no best one. {reasons}".rstrip())
    return table(plan, known, ranking)


@contextlib.contextmanager
def _silence():
    """Holds back what libraries say and we say better, or what is no news here.

    KerasTuner prints its own table on stdout and, left over, conditions' values; TensorFlow warns
    that a function is traced again and again, as it is for each trial's model; gRPC shows the
    traceback of an error in a request, which the chief raises, and tells the worker of.
    """
    levels = {tf.get_logger(): logging.ERROR, logging.getLogger("grpc"): logging.CRITICAL}
    before = {logger: logger.level for logger in levels}
    try:
        for logger, level in levels.items():
            logger.setLevel(level)
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            yield
    finally:
        for logger, level in before.items():
            logger.setLevel(level)
