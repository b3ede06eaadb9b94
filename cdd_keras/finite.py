"""Steps whose losses or gradients are NaN or infinite: found, skipped and counted in the graph."""

import keras
import tensorflow as tf

from cdd_keras.errors import CddError


class NotFiniteError(CddError):
    """Too many steps in a row had a loss or gradient that is not finite."""


class HeldBack(keras.StatelessScope):
    """Inside, what Keras variables are assigned is seen, but not yet done.

    A forward pass moves norms' means and beliefs: not in a step that is skipped, and once a
    process where several devices compute it.
    """

    def __init__(self):
        super().__init__(initialize_variables=False)

    def add_update(self, update):
        """Keras's hook; a value read again is a number like any that a variable held."""
        variable, value = update
        super().add_update((variable, tf.stop_gradient(value)))

    def assigned(self, variables):
        """{place: value} of those variables that were assigned."""
        values = [self.get_current_value(variable) for variable in variables]
        return {place: value for place, value in enumerate(values) if value is not None}


class FiniteGuard:
    """Remembers how many steps were skipped, how many of them in a row, and what was wrong last.

    Args:
        names: what may be wrong, in words; `culprit` is an index into it.

    Attributes:
        skipped: a `keras.metrics.Sum`, the steps skipped since metrics were reset.
        in_a_row, culprit: int32 variables.
    """

    def __init__(self, names):
        self.names = list(names)
        self.skipped = keras.metrics.Sum("skipped")
        self.in_a_row = keras.Variable(0, dtype="int32", trainable=False, name="in_a_row")
        self.culprit = keras.Variable(0, dtype="int32", trainable=False, name="culprit")

    def apply(self, finite, update):
        """Does `update()` where everything is finite, else nothing, and keeps count.

        Args:
            finite: {one of `names`: bool tensor}.
            update: a function that assigns variables.
        """
        places = tf.constant([self.names.index(name) for name in finite])
        wrong = tf.logical_not(tf.stack(list(finite.values())))

        def good():
            update()
            self.in_a_row.assign(0)
            return True

        def bad():
            self.skipped.update_state(1.0)
            self.in_a_row.assign_add(1)
            # The first one: those after it may have caught it from there.
            self.culprit.assign(tf.gather(places, tf.argmax(wrong)))
            return False

        return tf.cond(tf.reduce_any(wrong), bad, good)


def gradient_of(player):
    """What a player's gradient is called in messages."""
    return f"the gradient of {player.name}"


def is_finite(tensors):
    """Whether all numbers in all tensors are finite, and far from not being so: bool, ().

    Squares are added up, one operation a tensor; beyond 1e19, where nothing is learnt, they
    overflow.
    """
    return tf.math.is_finite(tf.add_n([tf.nn.l2_loss(tensor) for tensor in tensors]))


def gradients_finite(gradients, optimizer):
    """Whether an optimiser can use gradients, scaled as they are: bool, ().

    A loss scale that is above 1 falls by itself, and its optimiser skips the step.
    """
    finite = is_finite(gradients)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return finite | (optimizer.dynamic_scale > 1.0)
    return finite
