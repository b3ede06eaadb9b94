"""When a trial has gone wrong: labels leak, or its readings collapse."""

from cdd_keras.progress import Progress
from cdd_keras.search.objectives import check_defined

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
        objective: what the trial is for; refused at the first evaluation if the method lacks it.
        claim: the `Claim` on the trial; nothing is written once it is lost.
        defined: figures that other trials of the search had.
    """

    def __init__(self, config, start, objective, claim, defined=()):
        super().__init__(config.steps, start, 2 * config.batch_size)
        self.config = config
        self.objective = objective
        self.claim = claim
        self.defined = set(defined)

    def on_train_batch_end(self, batch, logs=None):
        # `KeepRun` comes after, and may write.
        self.claim.check()
        if self._bar is not None:
            super().on_train_batch_end(batch, logs)

    def evaluated(self, rows):
        """Raises what the last of these rows, of metrics.jsonl, is reason for.

        Raises:
            DivergedError: it raises an alarm, or lacks a figure of the objective that there was.
            UsageError: it lacks a figure of the objective that there never was.
        """
        *earlier, row = rows
        if reason := alarm(row, self.config.steps):
            raise DivergedError(f"{reason}, at step {row['step']}")
        figures = row["label_free"]
        names = [name for name in self.objective.names if name in figures]
        had = self.defined.union(*(_defined(one["label_free"]) for one in earlier))
        for name in names:
            if figures[name] is None and name in had:
                raise DivergedError(f"diverged: {name} is no number, at step {row['step']}")
        check_defined(names, figures, self.config.method)

    def say(self, message):
        if self._bar is not None:
            super().say(message)


def _defined(figures):
    return {name for name, value in figures.items() if value is not None}


def alarm(row: dict, steps: int) -> str | None:
    """What is wrong with an evaluation, or None; reads no target label.

    Args:
        row: one of metrics.jsonl.
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
