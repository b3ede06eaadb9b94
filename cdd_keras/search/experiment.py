"""What a trial does: a training of the base configuration with other values, and its figures."""

import dataclasses

import keras_tuner as kt

from cdd_keras import checkpoints
from cdd_keras.data.sets import DomainPair
from cdd_keras.domains import TARGET
from cdd_keras.evaluation import classification_report, generation_report
from cdd_keras.files import making
from cdd_keras.judges import INDEX, Judges, load_judges, save_judges, train_judge
from cdd_keras.metrics.selection import pick_label_free
from cdd_keras.runs import evaluations
from cdd_keras.search.alarms import Watch
from cdd_keras.search.objectives import EDITS, ORACLES
from cdd_keras.training import build_model, fit, resume_model


def without_target_labels(pair):
    """The same pair with every label of the target taken away: what a trial may see."""
    sets = {
        (split, domain): dataclasses.replace(one, labels=None) if domain == TARGET else one
        for (split, domain), one in pair.sets.items()
    }
    return DomainPair(pair.attribute, pair.names, sets)


class Experiment(kt.HyperModel):
    """The base configuration with a trial's values: built, trained and measured.

    Args:
        plan: the `Plan`.
        pair: the `DomainPair`; its target labels are read by an oracle's objective alone.
    """

    def __init__(self, plan, pair):
        super().__init__()
        self.plan = plan
        self.pair = without_target_labels(pair)
        self._labelled = pair if plan.objective.reads_target_labels else None
        self._judges = None

    def config(self, hp):
        """The configuration that KerasTuner's values stand for."""
        return self.plan.config.replace(**self.plan.space.settle(hp.values))

    def build(self, hp):
        """A compiled model with its initial weights."""
        return build_model(self.config(hp), self.pair)

    def fit(self, hp, model, folder, claim, until=None):
        """Trains on in a prepared run folder, from its newest checkpoint if it has one.

        Args:
            hp: KerasTuner's values.
            model: what `build` gave for them.
            folder: the `RunFolder`.
            claim: the `Claim` on the trial.
            until: see `training.fit`.

        Returns:
            {figure: value} at the run's label-free pick, the objective under its own name, and
            "step", the pick's.

        Raises:
            DivergedError, NotFiniteError: the training has gone wrong.
            TakenError: the trial is another process's by now.
        """
        config = model.config
        folder.write_labels(self.pair)
        start = resume_model(model, folder, lambda message: None)
        watch = Watch(config, start, self.plan.objective, claim)
        if rows := [row for row in folder.read_rows() if row["step"] <= start]:
            # A kill may have come between the last row and what it is reason for.
            watch.evaluated(rows)
        fit(model, self.pair, config, folder, start, until, watch)
        return self._measure(model, folder)

    def _measure(self, model, folder):
        rows = evaluations(folder.read_rows())
        pick, _ = pick_label_free(rows, model.config.criterion)
        figures = dict(pick.label_free)
        objective = self.plan.objective
        if EDITS in objective.names or objective.reads_target_labels:
            checkpoints.load(model, folder.checkpoints, pick.step)
        if EDITS in objective.names:
            figures[EDITS] = self._edit_success(model)
        if objective.reads_target_labels:
            report = classification_report(model, self._labelled, "validation")[TARGET] or {}
            figures |= {name: report.get(key) for name, key in ORACLES.items()}
        return {**figures, str(objective): objective.value(figures), "step": pick.step}

    def _edit_success(self, model):
        """Share of edits in the source that its judge reads as asked; both routes' mean."""
        if self._judges is None:
            self._judges = self._source_judge()
        report = generation_report(model, self.pair, self._judges, "validation")
        return report["edit_success"]["source"]

    def _source_judge(self):
        """The search's judge, trained on labelled source images alone; the first made is all's."""
        folder = self.plan.folder.judge
        if not (folder / INDEX).is_file():
            config, source = self.plan.config, self.pair.get("train", "source")
            judge = train_judge(
                source.images,
                source.labels,
                self.pair.attribute.classes,
                3 * config.seed,
                config.flip,
            )
            with making(folder) as aside:
                save_judges(Judges({"source": judge}), aside)
        return load_judges(folder)
