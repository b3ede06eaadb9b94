"""`CrossDomainModel`: one model and one training step for every method."""

import dataclasses

import keras
import tensorflow as tf

from cdd_keras.batches import unpack
from cdd_keras.belief import Belief
from cdd_keras.config import Config
from cdd_keras.devices import OneDevice
from cdd_keras.domains import SOURCE
from cdd_keras.finite import FiniteGuard, gradient_of, gradients_finite, is_finite
from cdd_keras.forward import ForwardPass
from cdd_keras.layers.random import Draws
from cdd_keras.methods import find_method, traits_of
from cdd_keras.optimisers import PlayerOptimizers, default_optimizer
from cdd_keras.phases import PhasedTraining
from cdd_keras.precision import use_determinism, use_exact_sums
from cdd_keras.resumable import ResumableTraining
from cdd_keras.routes import Routes
from cdd_keras.use import TrainedUse


@keras.saving.register_keras_serializable("cdd_keras")
class CrossDomainModel(ForwardPass, PhasedTraining, ResumableTraining, TrainedUse, keras.Model):
    """Learns from a labelled source and an unlabelled target domain, by the method of `config`.

    `fit` takes a `tf.data.Dataset` of ((source images, labels), target images): images uint8 in
    [0, 255] or float32 in [-1, 1], (batch, size, size, 3); labels int (batch,), indices of the
    attribute's values. The oracle alone takes (target images, target labels) for the second part.

    Args:
        config: a `Config`; `steps` is the length of the run, which ramps and phases refer to.
        classes: number of attribute values.

    Raises:
        ValueError: `config.method` is unknown.
    """

    def __init__(self, config, classes, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.classes = classes
        self.devices = OneDevice()
        method = find_method(config.method)
        self.traits = traits_of(config.method)
        self.fit_method = getattr(method, "fit_at_rest", None)
        self.recipe = method.recipe(config)
        self.networks = method.networks(config, classes)
        # What is used after training: an average of the weights along the way.
        self.averaged = method.networks(config, classes)
        self.prior = method.prior(config)
        self.belief = Belief(
            classes, config.prior_alignment, config.belief_via_source, config.belief_sharpness
        )
        self.step = self.add_weight(
            name="step", shape=(), dtype="int64", initializer="zeros", trainable=False
        )
        self.total_loss = keras.metrics.Mean(name="loss")
        self.source_accuracy = keras.metrics.Mean(name="source_accuracy")
        # By player and term: two players may share a term.
        self.term_metrics = {
            name: keras.metrics.Mean(name=name)
            for phase in self.recipe.phases
            for player in phase.players
            for name in player.labels
        }
        self.guard = FiniteGuard([*self.term_metrics, *map(gradient_of, self.recipe.players)])
        self.build()

    def build(self, input_shape=None):
        """Creates all weights; needs no data."""
        for name, network in self.networks.items():
            network.build()
            average = self.averaged[name]
            average.build()
            average.trainable = False
            for kept, weight in zip(average.weights, network.weights, strict=True):
                kept.assign(weight)
        self.built = True

    @property
    def has_encoder(self):
        """Whether images have codes."""
        return "encoder" in self.networks

    @property
    def has_generator(self):
        """Whether images can be drawn."""
        return "generator" in self.networks

    @property
    def has_prior(self):
        """Whether codes can be drawn without an image."""
        return self.prior is not None

    @property
    def reads_through_source(self):
        """Whether a target image is read through its base translation to the source too."""
        return self.traits.reads_through_source and self.config.belief_via_source > 0

    @property
    def image_size(self):
        """Side of the images, in pixels."""
        return self.config.image_size

    def compile(self, optimizers=None, **kwargs):
        """Prepares training.

        Args:
            optimizers: {player name: Keras optimiser} for those not to have the default one.
            **kwargs: passed to `keras.Model.compile` (`jit_compile`, `run_eagerly`).

        Raises:
            ValueError: `optimizers` names a player that the recipe does not have.
        """
        use_determinism(self.config.deterministic)
        use_exact_sums(self.config.exact_sums)
        optimizers = optimizers or {}
        names = [player.name for player in self.recipe.players]
        for name in optimizers:
            if name not in names:
                raise ValueError(f"`optimizers` names no player: {name!r}. Expected {names}.")
        group = PlayerOptimizers(
            [
                optimizers.get(player.name) or default_optimizer(player, self.config)
                for player in self.recipe.players
            ]
        )
        group.build_for([self.player_variables(player) for player in self.recipe.players])
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=group, auto_scale_loss=False, **kwargs)

    def get_compile_config(self):
        return {"optimizer": keras.saving.serialize_keras_object(self.optimizer)}

    def compile_from_config(self, config):
        group = keras.saving.deserialize_keras_object(config["optimizer"])
        names = [player.name for player in self.recipe.players]
        self.compile(dict(zip(names, group.optimizers, strict=True)))

    def fit(self, x=None, **kwargs):
        """`keras.Model.fit` on a data set of ((source images, labels), target images)."""
        # Keras's default of True warns about every data set, which does its own shuffling.
        kwargs.setdefault("shuffle", False)
        return super().fit(x, **kwargs)

    @property
    def metrics(self):
        means = [self.total_loss, self.source_accuracy, *self.term_metrics.values()]
        return [*means, self.guard.skipped]

    def player_variables(self, player):
        """The variables a player may move."""
        return [v for name in player.networks for v in self.networks[name].trainable_variables]

    # Nothing here branches on a tensor, and AutoGraph's rewriting took a third of the tracing.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, batch):
        """One simultaneous update of all players from one forward pass.

        A step whose losses or gradients are not finite changes nothing, but is counted.
        """
        players = self.recipe.phases[self.phase].players
        losses, objectives, gradients, moved = self.devices.run(self.look, batch)
        finite = {name: is_finite([loss]) for name, loss in losses.items()}
        moves = []
        for player, optimizer in zip(players, self.optimizer.optimizers, strict=True):
            if player.terms:
                slopes = gradients[player.name]
                finite[gradient_of(player)] = gradients_finite(slopes, optimizer)
                moves.append((optimizer, slopes, self.player_variables(player)))

        def update():
            seen = self.moved_by_looking()
            for place, value in moved.items():
                seen[place].assign(value)
            for optimizer, slopes, variables in moves:
                optimizer.apply(slopes, variables)
            self._average()
            self._count(losses, objectives)

        self.guard.apply(finite, update)
        self.step.assign_add(1)
        return self._results(players)

    @tf.autograph.experimental.do_not_convert
    def test_step(self, batch):
        """The terms on a validation batch, and how well its labelled half is classified."""
        images, labels = unpack(batch)
        phase = self.recipe.phases[-1]
        draws = Draws(self.config.seed, self.step.value)
        routes = Routes(self, images, labels, draws, training=False, phase=phase)
        losses = self.term_losses(phase.players, routes)
        objectives = [self.objective_of(player, losses) for player in phase.players]
        self._count(losses, objectives)
        correct = tf.argmax(self.classify(images[SOURCE], SOURCE), -1, tf.int32) == labels[SOURCE]
        self.source_accuracy.update_state(tf.cast(correct, tf.float32))
        return {**self._results(phase.players), "source_accuracy": self.source_accuracy.result()}

    def _count(self, losses, objectives):
        for label, loss in losses.items():
            self.term_metrics[label].update_state(loss)
        self.total_loss.update_state(sum(objectives))

    def _average(self):
        step = tf.cast(self.step, tf.float32)
        # Shorter at first: the initial weights would else stay in it for hundreds of steps.
        rest = 1.0 - tf.minimum(self.config.ema, (1.0 + step) / (10.0 + step))
        for name, average in self.averaged.items():
            for kept, weight in zip(average.weights, self.networks[name].weights, strict=True):
                kept.value.assign_sub(rest * (kept - weight))

    def _results(self, players):
        labels = [label for player in players for label in player.labels]
        terms = {label: self.term_metrics[label].result() for label in labels}
        skipped = self.guard.skipped.result()
        return {"loss": self.total_loss.result(), **terms, "skipped": skipped}

    def get_config(self):
        return {"config": dataclasses.asdict(self.config), "classes": self.classes}

    @classmethod
    def from_config(cls, config):
        return cls(Config(**config["config"]), config["classes"])
