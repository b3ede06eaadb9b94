"""Training in phases under Keras's own `fit`: each phase has a traced step of its own."""


class PhasedTraining:
    """Mixin of a Keras model whose `recipe` has phases, and `step` counts its updates.

    Keras traces one step; here each phase gets one, so that a phase costs only its own terms.
    """

    phase = 0

    def make_train_function(self, force=False):
        """Keras's hook: builds the function that `fit` calls for each execution."""
        if self.train_function is not None and not force:
            return
        functions = []
        for _ in self.recipe.phases:
            super().make_train_function(force=True)
            functions.append(self.train_function)

        def train(iterator):
            # Read when a function is traced, which its first call does.
            self.phase = self.recipe.phase_at(int(self.step.numpy()) / self.config.steps)
            return functions[self.phase](iterator)

        self.train_function = train
