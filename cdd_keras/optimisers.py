"""One optimiser a player, held by one object that Keras callbacks can talk to."""

import keras


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
        return keras.optimizers.AdamW(config.classifier_rate, weight_decay=1e-3)
    if player.name == "discriminator":
        return keras.optimizers.Adam(config.discriminator_rate, beta_1=0.5, beta_2=0.99)
    return keras.optimizers.Adam(
        config.generator_rate, beta_1=0.5, beta_2=0.99, global_clipnorm=config.clip_norm
    )
