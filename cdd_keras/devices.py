"""Where a training computes: on one device, on several of a machine, or on several machines.

Each has `run`, which a training step looks at its batch with: forward pass and gradients. On
several devices every replica looks at its share, and what comes back is the mean over all. The
update that follows is an ordinary one, of ordinary variables, once a process: each process holds
its own, and makes the same changes to them.
"""

from contextlib import contextmanager

import tensorflow as tf

from cdd_keras.replicas import Share
from cdd_keras.workers import check_shares


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
        config: reads `batch_size` and `exact_sums`.

    Raises:
        UsageError: the batch cannot be shared evenly.
    """

    def __init__(self, strategy, config):
        self.strategy = strategy
        self.count = strategy.num_replicas_in_sync
        self.local = len(strategy.extended.worker_devices)
        check_shares(config.batch_size, self.count, config.exact_sums)
        self.half = config.batch_size // (2 * self.count)

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
