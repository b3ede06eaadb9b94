"""What computing one step on several devices asks of the step: shares, and means over all.

A device that holds a copy of the networks is a replica. On one device nothing here does anything.
"""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True)
class Share:
    """The rows of a batch that one replica computes: the same part of either half.

    Some losses are of one half of a batch (`domains.Edit`): so every replica has as much of each,
    and its first half is of the batch's first half.

    Args:
        index: which replica, from 0: int or integer tensor.
        count: of how many.
        half: rows that it has of either half.
    """

    index: Any
    count: int
    half: int

    def take(self, whole, axis=0):
        """The share's rows of a tensor that has the rows of all replicas.

        Args:
            whole: a tensor with rows of one half, of a batch or of several batches along `axis`,
                `count * half` a half.

        Returns:
            The tensor with `half` rows a half, in their order.
        """
        shape = tf.shape(whole)
        before, after = shape[:axis], shape[axis + 1 :]
        dealt = tf.concat([before, [-1, self.count, self.half], after], 0)
        own = tf.gather(tf.reshape(whole, dealt), self.index, axis=axis + 1)
        return tf.reshape(own, tf.concat([before, [-1], after], 0))

    def spread(self, own):
        """A tensor with the rows of all replicas that has these where `take` finds them."""
        after = tf.shape(own)[1:]
        dealt = tf.reshape(own, tf.concat([[-1, 1, self.half], after], 0))
        return tf.reshape(tf.repeat(dealt, self.count, 1), tf.concat([[-1], after], 0))


def mean_over_replicas(tensors):
    """The mean over replicas of each tensor in a structure; it is differentiable.

    Where all have as many rows, the mean of their means is that of the whole batch.
    """
    return _reduce(tf.distribute.ReduceOp.MEAN, tensors)


def sum_over_replicas(tensors):
    """The sum over replicas of each tensor in a structure."""
    return _reduce(tf.distribute.ReduceOp.SUM, tensors)


def _reduce(operation, tensors):
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync == 1:
        return tensors
    return replica.all_reduce(operation, tensors)
