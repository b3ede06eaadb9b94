"""Where a training computes: on one device, on several of a machine, or on several machines.

Each has `run`, which a training step looks at its batch with: forward pass and gradients. On
several devices every replica looks at its share, and what comes back is the mean over all. The
update that follows is an ordinary one, of ordinary variables, once a process: each process holds
its own, and makes the same changes to them.
"""

import functools
import logging
import os
import re
import signal
import zlib
from contextlib import contextmanager

import tensorflow as tf
from tensorflow.python.distribute.collective_all_reduce_strategy import CollectiveAllReduceExtended
from tensorflow.python.eager import context

from cdd_keras.errors import CddError, UsageError
from cdd_keras.replicas import Share, mean_over_replicas
from cdd_keras.signals import unheld_signals
from cdd_keras.workers import check_shares, read_workers

# How long workers wait for each other to begin.
PATIENCE_SECONDS = 600
# How often each asks whether the others live; TensorFlow waits up to 30 seconds for an answer.
BEAT_SECONDS = 5
TASK = re.compile(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)")


class LostWorkerError(CddError):
    """Another worker of the training has died, or cannot be reached."""


class OneDevice:
    """One device, and the interface of all."""

    is_chief = True
    # The part of each batch that the process reads; None: all of it.
    share = None

    def run(self, look, batch):
        """What `look(batch, share)` gives; the share is None."""
        return look(batch, None)

    def check_same(self, text):
        """Raises UsageError where a worker does not give the chief's text."""

    def agree(self, variables):
        """Has the chief's values in the variables of every worker."""

    def tell(self, came):
        """Lets all workers hear after the next step of the signals to stop that have come here."""

    def hear(self, came):
        """Whether it is to stop: all workers hear the same after a step.

        One that was not asked itself is, for `came`, by SIGTERM: as a cluster does.
        """
        return bool(came)

    def wait(self):
        """Comes back when every worker has called it."""

    @contextmanager
    def watched(self):
        """Inside, the death of another worker raises LostWorkerError."""
        yield


class SeveralDevices(OneDevice):
    """Replicas on the devices of one process; the variables are on the first.

    Args:
        strategy: the `tf.distribute.Strategy` that knows the devices.
        batch_size: images of each domain in a batch.

    Raises:
        UsageError: the batch cannot be shared evenly.
    """

    def __init__(self, strategy, batch_size):
        self.strategy = strategy
        self.count = strategy.num_replicas_in_sync
        self.local = len(strategy.extended.worker_devices)
        check_shares(batch_size, self.count)
        self.half = batch_size // (2 * self.count)

    def run(self, look, batch):
        """What `look(part of the batch, share)` gives on every replica, from the first one here.

        It must be the same on all, see `mean_over_replicas`.
        """

        def on_replica():
            index = tf.distribute.get_replica_context().replica_id_in_sync_group
            here = Share(index % self.local, self.local, self.half)
            with tf.device("CPU:0"):
                part = tf.nest.map_structure(here.take, batch)
            return look(part, Share(index, self.count, self.half))

        return tf.nest.map_structure(self._first, self.strategy.run(on_replica))

    def _first(self, values):
        return self.strategy.experimental_local_results(values)[0]


class SeveralMachines(SeveralDevices):
    """One process of several, which are told of each other by TF_CONFIG.

    Args:
        strategy: a `tf.distribute.MultiWorkerMirroredStrategy`.
        batch_size: images of each domain in a batch.
        workers: the `Workers`.
    """

    def __init__(self, strategy, batch_size, workers):
        super().__init__(strategy, batch_size)
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
            replica = tf.distribute.get_replica_context()
            is_chief = replica.replica_id_in_sync_group == 0
            values_64 = [tf.cast(value, tf.float64) for value in values]
            given = [tf.where(is_chief, value, tf.zeros_like(value)) for value in values_64]
            return replica.all_reduce(tf.distribute.ReduceOp.SUM, given)

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


def open_devices(config, say):
    """The devices that `config.strategy` asks for.

    For workers this waits until all have come, and has to be before TensorFlow computes anything.

    Args:
        config: reads `strategy` and `batch_size`.
        say: called with a line for the person watching.

    Raises:
        UsageError: the devices cannot share the batch evenly, or TF_CONFIG is wrong.
        CddError: not all workers have come.
    """
    if config.strategy == "mirrored":
        return _mirrored(config, say)
    if config.strategy == "multiworker":
        return _joined(config, read_workers(os.environ), say)
    return OneDevice()


def _mirrored(config, say):
    names = [one.name for kind in ("GPU", "CPU") for one in tf.config.list_logical_devices(kind)]
    kind = names[0].split(":")[-2]
    names = [name for name in names if name.split(":")[-2] == kind]
    if len(names) == 1:
        say(f"--strategy mirrored: there is one {kind} only, which computes alone")
        return OneDevice()
    say(f"--strategy mirrored: on {len(names)} {kind}s")
    return SeveralDevices(_mirrored_strategy(tuple(names)), config.batch_size)


@functools.cache
def _mirrored_strategy(names):
    # Two of them in one process would take each other's collectives for their own.
    return tf.distribute.MirroredStrategy(names)


def _joined(config, workers, say):
    check_shares(config.batch_size, workers.count)
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
    return SeveralMachines(strategy, config.batch_size, workers)
