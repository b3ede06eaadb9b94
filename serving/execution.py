"""Calls of graph functions that can be stopped while they run.

TensorFlow has no public way to do so. Its `CancellationManager.get_cancelable_function` keeps the
manager of the call under way in a global of its module, so that of two threads one cancels the
other's work (seen with TensorFlow 2.21: one call in some thousands under load). What follows is
what it does, with the manager handed over.
"""

from collections.abc import Sequence

import tensorflow as tf
from tensorflow.python.eager import cancellation, context, execute

CancellationManager = cancellation.CancellationManager


class StoppableFunction:
    """A concrete function, called with a manager that can stop it.

    Args:
        concrete: its outputs are a dict of tensors.
    """

    def __init__(self, concrete):
        # Kept: the graph goes with the function object.
        self._concrete = concrete
        self._name = concrete.name.decode() if isinstance(concrete.name, bytes) else concrete.name
        self._captured = list(concrete.captured_inputs)
        self._keys = sorted(concrete.structured_outputs)

    def __call__(
        self, tensors: Sequence[tf.Tensor], manager: CancellationManager
    ) -> dict[str, tf.Tensor]:
        """The outputs.

        Args:
            tensors: the function's inputs, in order.
            manager: `start_cancel` of it ends the call.

        Raises:
            tf.errors.CancelledError: it was stopped.
            tf.errors.OpError: an operation failed.
        """
        eager = context.context()
        attributes = []
        for pair in eager.function_call_options.as_attrs().items():
            attributes += pair
        outputs = execute.execute_with_cancellation(
            self._name,
            num_outputs=len(self._keys),
            inputs=[*tensors, *self._captured],
            attrs=tuple(attributes),
            ctx=eager,
            cancellation_manager=manager,
        )
        # Dicts are flattened by their sorted keys.
        return dict(zip(self._keys, outputs, strict=True))
