import keras
import numpy as np
from tiny import batches, build, fit

from cdd_keras.callbacks import DecayRates


class Rates(keras.callbacks.Callback):
    """The players' rates that each step was taken with."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append([float(one.learning_rate) for one in self.model.optimizer.optimizers])


def test_the_rates_of_all_players_fall_by_the_models_step():
    model = build("source_only", steps=4, decay_start=0.5, classifier_rate=1e-3)
    rates = Rates()
    fit(model, batches(3), epochs=1, callbacks=[DecayRates(model.config), rates])
    np.testing.assert_allclose(rates.seen, [[1e-3]] * 3, rtol=1e-6)
    # A second `fit` goes on from step 3, and from the rate the optimiser was made with.
    fit(model, batches(2), epochs=1, callbacks=[DecayRates(model.config), rates])
    np.testing.assert_allclose(rates.seen, [[5e-4], [2e-5]], rtol=1e-6)
