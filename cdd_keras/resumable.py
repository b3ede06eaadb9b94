"""What a training needs to go on as if it had not been stopped, beside weights and optimisers."""


class ResumableTraining:
    """Mixin of a Keras model with a `step` and a `FiniteGuard`, its `guard`.

    The means of all metrics so far are saved with the weights, since a run may be stopped between
    two evaluations. Order of samples, noise and augmentation follow from seed and step.

    Attributes:
        seconds: how long the model has been trained, as far as whoever trains it has kept it.
    """

    seconds = 0.0

    @property
    def state(self):
        """All variables that the training goes on from."""
        return [*self.weights, *self.optimizer.variables, *(v for _, v in self._running())]

    def save_own_variables(self, store):
        """Keras's hook: writes what is not in a layer or an optimiser."""
        store["0"] = self.step
        store["seconds"] = self.seconds
        for name, variable in self._running():
            store[name] = variable

    def load_own_variables(self, store):
        """Keras's hook; a file that holds no more than the step is read too."""
        self.step.assign(store["0"])
        if "seconds" in store:
            self.seconds = float(store["seconds"][()])
            for name, variable in self._running():
                variable.assign(store[name])

    def _running(self):
        """(name, variable) of the means so far and the count of skipped steps."""
        for metric in self.metrics:
            for number, variable in enumerate(metric.variables):
                # A slash would make a group of it.
                yield f"{metric.name}-{number}".replace("/", "-"), variable
        yield "in_a_row", self.guard.in_a_row
        yield "culprit", self.guard.culprit
