"""One optimiser a player, held by one object that Keras callbacks can talk to."""

import keras
import tensorflow as tf


def rate_left(step, config):
    """What is left of the learning rates at a step: 1, then falling linearly to 0.02 at the end."""
    start = config.decay_start * config.steps
    return min(1.0, max(0.02, (config.steps - step) / max(1.0, config.steps - start)))


@keras.saving.register_keras_serializable("cdd_keras")
class PlayerOptimizers(keras.optimizers.Optimizer):
    """The players' optimisers, in the order of the recipe.

    `learning_rate` reads as the first player's; setting it keeps the ratios of the players'
    rates. Keras's LearningRateScheduler instead finds `optimizers` and gives each the same rate.

    Args:
        optimizers: one Keras optimiser a player.
        first_rate: the first player's rate before any decay; None: the one it has.
    """

    def __init__(self, optimizers, first_rate=None, name="players"):
        super().__init__(learning_rate=1.0, name=name)
        self.optimizers = list(optimizers)
        rates = [float(keras.ops.convert_to_numpy(o.learning_rate)) for o in self.optimizers]
        self.first_rate = rates[0] if first_rate is None else first_rate
        # Kept from the start: a rate warmed up from 0 must find its ratio again.
        self._ratios = [rate / (rates[0] or 1.0) for rate in rates]

    def build_for(self, variables):
        """Creates every optimiser's slots: variables is a list of lists, one a player."""
        for optimizer, owned in zip(self.optimizers, variables, strict=True):
            optimizer.build(owned)
        self.built = True

    @property
    def learning_rate(self):
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        for optimizer, ratio in zip(self.optimizers, self._ratios, strict=True):
            optimizer.learning_rate = value * ratio

    @property
    def variables(self):
        return [v for optimizer in self.optimizers for v in optimizer.variables]

    def get_config(self):
        return {
            "optimizers": [keras.saving.serialize_keras_object(o) for o in self.optimizers],
            "first_rate": self.first_rate,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        optimizers = [
            keras.saving.deserialize_keras_object(o, custom_objects) for o in config["optimizers"]
        ]
        return cls(optimizers, config["first_rate"], config["name"])


class _OneOperation:
    """Adam whose update of a variable is one operation of TensorFlow's, for Keras's twenty.

    On networks of a few hundred small variables starting operations is what a step waits for.
    The formula stays Keras's, and so does what is saved, for which the classes bear Keras's names:
    by them Keras finds a part of a file of weights.

    Raises:
        ValueError: `amsgrad`, which the operation does not have.
    """

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        if self.amsgrad:
            raise ValueError("`amsgrad` is true. Expected false, or Keras's own optimiser.")

    def apply(self, grads, trainable_variables=None):
        # One for all variables; in the operation it would be a few small ones for each.
        step = tf.cast(self.iterations + 1, tf.float32)
        self._correction = tf.sqrt(1.0 - self.beta_2**step) / (1.0 - self.beta_1**step)
        super().apply(grads, trainable_variables)
        # Not kept: it belongs to the graph of this call.
        self._correction = None

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        zero = tf.zeros((), variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=zero,
            beta2_power=zero,
            lr=tf.cast(learning_rate * self._correction, variable.dtype),
            beta1=tf.cast(self.beta_1, variable.dtype),
            beta2=tf.cast(self.beta_2, variable.dtype),
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
        )


@keras.saving.register_keras_serializable("cdd_keras")
class Adam(_OneOperation, keras.optimizers.Adam):
    """Keras's Adam (Kingma and Ba, ICLR 2015), each variable updated in one operation."""


@keras.saving.register_keras_serializable("cdd_keras")
class AdamW(_OneOperation, keras.optimizers.AdamW):
    """Keras's AdamW (Loshchilov and Hutter, ICLR 2019), each variable updated in one operation."""


def default_optimizer(player, config):
    """The optimiser a player gets unless the user brings one.

    Adam with beta1 = 0.5 for the adversarial players, AdamW for the classifier; its gradients
    are kept in float16's range by a loss scale where that is what the networks compute in.
    """
    optimizer = _adam(player, config)
    if keras.config.dtype_policy().compute_dtype == "float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def _adam(player, config):
    if player.name == "classifier":
        return AdamW(config.classifier_rate, weight_decay=1e-3)
    if player.name == "discriminator":
        return Adam(config.discriminator_rate, beta_1=0.5, beta_2=0.99)
    return Adam(config.generator_rate, beta_1=0.5, beta_2=0.99, global_clipnorm=config.clip_norm)
