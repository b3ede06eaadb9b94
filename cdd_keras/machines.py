"""Computing in several processes, on one machine or several, that live and end together.

One that dies is found out by the others: TensorFlow asks its peers whether they live, and aborts
what they are waiting for together.
"""

import logging
import re
import signal
import zlib
from contextlib import contextmanager

import tensorflow as tf
from tensorflow.python.distribute.collective_all_reduce_strategy import CollectiveAllReduceExtended
from tensorflow.python.eager import context

from cdd_keras.devices import SeveralDevices
from cdd_keras.errors import CddError, UsageError
from cdd_keras.replicas import Share, mean_over_replicas, sum_over_replicas
from cdd_keras.signals import unheld_signals
from cdd_keras.workers import check_shares

# How long workers wait for each other to begin.
PATIENCE_SECONDS = 600
# How often each asks whether the others live; TensorFlow waits up to 30 seconds for an answer.
BEAT_SECONDS = 5
TASK = re.compile(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)")


class LostWorkerError(CddError):
    """Another worker of the training has died, or cannot be reached."""


class SeveralMachines(SeveralDevices):
    """One process of several, which are told of each other by TF_CONFIG.

    Args:
        strategy: a `tf.distribute.MultiWorkerMirroredStrategy`.
        config: reads `batch_size` and `exact_sums`.
        workers: the `Workers`.
    """

    def __init__(self, strategy, config, workers):
        super().__init__(strategy, config)
        self.workers = workers
        self.is_chief = workers.is_chief
        self.share = Share(workers.index, workers.count, self.half * self.local)
        self._asked, self._heard = (tf.Variable(0.0, trainable=False) for _ in range(2))

    def run(self, look, batch):
        """As `SeveralDevices.run`; and hears whether a worker was asked to stop."""

        def look_and_hear(part, share):
            return look(part, share), mean_over_replicas(tf.identity(self._asked))

        seen, asked = super().run(look_and_hear, batch)
        self._heard.assign(asked)
        return seen

    def check_same(self, text):
        digest = float(zlib.crc32(text.encode()))
        if digest != float(self._chiefs([tf.constant(digest, tf.float64)])[0]):
            raise UsageError(
                f"Worker {self.workers.index} does not have the chief's settings and images. "
                "Start all workers with the same flags, on the same data."
            )

    def agree(self, variables):
        values = [variable.value for variable in variables]
        for variable, value in zip(values, self._chiefs(values), strict=True):
            variable.assign(tf.cast(value, variable.dtype))

    def _chiefs(self, values):
        """The chief's of some tensors, as float64: a sum in which all others add 0."""

        @tf.function
        def gather():
            return tf.nest.map_structure(self._first, self.strategy.run(on_replica))

        def on_replica():
            is_chief = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
            values_64 = [tf.cast(value, tf.float64) for value in values]
            given = [tf.where(is_chief, value, tf.zeros_like(value)) for value in values_64]
            return sum_over_replicas(given)

        return gather()

    def tell(self, came):
        self._asked.assign(float(bool(came)))

    def hear(self, came):
        heard = self._heard.numpy() > 0
        if heard and not came:
            came.append(signal.SIGTERM)
        return heard

    def wait(self):
        try:
            with unheld_signals():
                self._chiefs([tf.constant(0.0)])[0].numpy()
        except tf.errors.UnavailableError:
            # The chief comes last, with all done: who has left before only did not wait for it.
            if not self.is_chief:
                raise

    @contextmanager
    def watched(self):
        try:
            yield
        except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as e:
            raise LostWorkerError(
                f"{self._lost(str(e))} has died or cannot be reached. Nothing that was saved is "
                "lost: start all workers again with --resume."
            ) from e

    def _lost(self, message):
        """Who an error of TensorFlow is about, as far as it says so."""
        named = {(job, int(index)) for job, index in TASK.findall(message)}
        others = [
            f"Worker {index} ({self.workers.addresses[index]})"
            for index, name in enumerate(self.workers.names)
            if name in named and index != self.workers.index
        ]
        return others[0] if len(others) == 1 else "Another worker"


def join(config, workers, say):
    """Waits until all workers have come; see `strategies.open_devices`."""
    check_shares(config.batch_size, workers.count, config.exact_sums)
    say(f"worker {workers.index} of {workers.count}: waiting for all of them")
    # TensorFlow's coordination service would wait for ever, deaf to signals; without it, the
    # workers look after each other by what it calls health checks.
    context.context().configure_coordination_service("")
    CollectiveAllReduceExtended._check_health_initial_timeout = PATIENCE_SECONDS
    CollectiveAllReduceExtended._check_health_interval = BEAT_SECONDS
    # `watched` says the same in our words.
    logging.getLogger("tensorflow").addFilter(lambda line: "Cluster check alive" not in line.msg)
    try:
        with unheld_signals():
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        if "Timeout waiting for the cluster" not in str(error):
            raise
        raise CddError(
            f"Not all workers have come within {PATIENCE_SECONDS} seconds. Expected one at each of "
            f"{', '.join(workers.addresses)}."
        ) from error
    except tf.errors.UnknownError as error:
        if "gRPC server" not in str(error):
            raise
        raise CddError(
            f"Worker {workers.index} cannot listen at {workers.addresses[workers.index]}: another "
            "program may have the port. Give each worker an address of its own in TF_CONFIG."
        ) from error
    say(f"worker {workers.index} of {workers.count}: all have come")
    return SeveralMachines(strategy, config, workers)
