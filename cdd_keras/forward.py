"""What a training step learns of a batch before it moves anything: losses and gradients."""

import tensorflow as tf

from cdd_keras.batches import unpack
from cdd_keras.finite import HeldBack
from cdd_keras.layers.random import Draws
from cdd_keras.layers.sums import BatchSums
from cdd_keras.replicas import mean_over_replicas
from cdd_keras.routes import Routes


class ForwardPass:
    """Mixin of a model with a `recipe`, `networks`, a `belief`, a `step` and a `config`."""

    def look(self, batch, share):
        """The forward pass on a batch, or a replica's share of it, and the gradients of all.

        Returns:
            {label: loss}, [objective] and {player: gradients} of the whole batch, and
            {place among `moved_by_looking`: new value}.
        """
        images, labels = unpack(batch)
        phase = self.recipe.phases[self.phase]
        players = phase.players
        # A row's part in the gradient is what it is on one device, so float16 overflows alike.
        part = 1.0 if share is None else 1.0 / share.count
        sums = BatchSums(self.config.exact_sums)
        with sums, tf.GradientTape(persistent=True) as tape, HeldBack() as held:
            draws = Draws(self.config.seed, self.step.value, share)
            losses = self.term_losses(players, Routes(self, images, labels, draws, phase=phase))
            objectives, scaled = [], {}
            for player, optimizer in zip(players, self.optimizer.optimizers, strict=True):
                if player.terms:
                    objectives.append(self.objective_of(player, losses))
                    scaled[player] = optimizer.scale_loss(part * objectives[-1])
        gradients = {
            player.name: self._gradients(
                tape, objective, sums.sources(self.player_variables(player))
            )
            for player, objective in scaled.items()
        }
        moved = held.assigned(self.moved_by_looking())
        means = mean_over_replicas((losses, objectives))
        return *means, sums.over_replicas(gradients), moved

    def _gradients(self, tape, objective, sources):
        # An early phase does not reach every variable.
        none = tf.UnconnectedGradients.ZERO
        same_bits = self.config.deterministic or self.config.exact_sums
        # Operations that run one by one leave no choice.
        if not same_bits or tf.executing_eagerly():
            return tape.gradient(objective, sources, unconnected_gradients=none)
        # A tape adds all gradients of a tensor in one operation, which begins with the term whose
        # memory it may take: that depends on other threads. Two at a time are the same either way.
        two = tf.AggregationMethod.EXPERIMENTAL_TREE
        found = tf.gradients(objective, sources, unconnected_gradients=none, aggregation_method=two)
        # Sums are where the variable is, or nowhere yet; replicas have to have them themselves.
        return [tf.identity(one) for one in found]

    def term_losses(self, players, routes):
        """{label: the batch's mean} of all terms."""
        return {
            label: tf.reduce_mean(term.loss(routes))
            for player in players
            for label, term in zip(player.labels, player.terms, strict=True)
        }

    def objective_of(self, player, losses):
        """What a player minimises: its weighted terms, as far as they have ramped up."""
        total = 0.0
        for label, term in zip(player.labels, player.terms, strict=True):
            total += term.weight * self._ramp(term) * losses[label]
        return total

    def moved_by_looking(self):
        """The variables that a forward pass in training moves: norms' means, the belief."""
        norms = [v for network in self.networks.values() for v in network.non_trainable_variables]
        return [*norms, *self.belief.weights]

    def _ramp(self, term):
        if term.ramp is None:
            return 1.0
        start, end = (part * self.config.steps for part in term.ramp)
        step = tf.cast(self.step, tf.float32)
        return tf.clip_by_value((step - start) / max(1.0, end - start), 0.0, 1.0)
