"""When a trial has gone wrong: labels leak, or its readings collapse."""

from cdd_keras.domains import TARGET
from cdd_keras.methods import traits_of
from cdd_keras.progress import Progress

# Before that part of a run, and of so many steps, readings may be anything.
WATCHED_FROM, LEAST_STEPS = 0.5, 50
# A leak: translations are read as asked, and real images of that domain as by chance.
LEAK_TRANSLATED, LEAK_KAPPA = 0.95, 0.1
# A collapse: every image is read alike, with certainty. In nats.
COLLAPSE_INFORMATION, COLLAPSE_ENTROPY = 0.01, 0.1


class DivergedError(Exception):
    """A training that leads nowhere; the message is the reason."""


class Watch(Progress):
    """Ends a training with `DivergedError` when it has gone wrong; shows a bar on a terminal.

    A pipe gets no line of it: the search has its own.

    Args:
        config: of the run.
        start: the step it starts at.
        objective: what the trial is for; one that the method has, see `checks`.
        claim: the `Claim` on the trial; nothing is written once it is lost.
    """

    def __init__(self, config, start, objective, claim):
        super().__init__(config.steps, start, 2 * config.batch_size)
        self.objective = objective
        self.claim = claim
        self._reads_target = TARGET in traits_of(config.method).reads

    def on_train_batch_end(self, batch, logs=None):
        # One that was given up need not train on to its next evaluation.
        self.claim.check()
        if self._bar is not None:
            super().on_train_batch_end(batch, logs)

    def before_write(self):
        self.claim.check()

    def evaluated(self, rows):
        """Raises what the last of these rows, of metrics.jsonl, is reason for.

        Raises:
            DivergedError: it raises an alarm, or a figure of the objective is no number.
        """
        row = rows[-1]
        if self._reads_target and (reason := alarm(row, self.steps)):
            raise DivergedError(f"{reason}, at step {row['step']}")
        figures = row["label_free"]
        for name in self.objective.names:
            # The search's own come at the end.
            if name in figures and figures[name] is None:
                raise DivergedError(f"diverged: {name} is no number, at step {row['step']}")

    def say(self, message):
        if self._bar is not None:
            super().say(message)


def alarm(row: dict, steps: int) -> str | None:
    """What is wrong with an evaluation, or None; reads no target label.

    Args:
        row: one of metrics.jsonl, of a method that reads target images.
        steps: the length of the run.
    """
    seen = row["label_free"]
    if seen["infomax"] is None:
        return "diverged: the readings of target images are not numbers"
    if row["step"] < max(WATCHED_FROM * steps, LEAST_STEPS):
        return None
    if seen["infomax"] < COLLAPSE_INFORMATION and -seen["target_entropy"] < COLLAPSE_ENTROPY:
        return "collapse: every target image is read alike"
    translated, kappa = seen["translated_source_accuracy"], seen["kappa"]
    if None not in (translated, kappa) and translated >= LEAK_TRANSLATED and kappa <= LEAK_KAPPA:
        return (
            f"leak alarm: source images translated to the target are read with {translated:.2f} "
            f"accuracy, and the two readings of real target images agree by chance ({kappa:.2f})"
        )
    return None
