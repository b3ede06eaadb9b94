"""What a search leaves: results.csv, best.yaml, TensorBoard's HParams, a picture, a ranking."""

import csv
import dataclasses
import datetime
import io

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.hparams import api_pb2, summary

from cdd_keras.config import CRITERIA
from cdd_keras.files import write_json, write_text
from cdd_keras.search import records
from cdd_keras.search.checks import picked_by
from cdd_keras.search.importance import rank
from cdd_keras.search.notices import unused
from cdd_keras.search.picture import draw
from cdd_keras.search.records import COMPLETED, FAILED
from cdd_keras.search.rungs import earlier_of, seconds_trained


class Results:
    """Keeps the results up to date as trials end, and tells of each.

    Args:
        plan: the `Plan`.
        say: called with lines for the person watching.
        workers: gives the number of processes that train.
    """

    def __init__(self, plan, say, workers=lambda: 1):
        self.plan = plan
        self.say = say
        self.workers = workers
        self._headed = False

    def trial_ended(self, trial, values, reason=None):
        """Brings everything but picture and ranking up to date.

        Args:
            trial: the name of the trial.
            values: KerasTuner's.
            reason: why it failed, where its own process could not say so.
        """
        folder = self.plan.folder
        record = records.read(folder, trial)
        if record is None and reason is None:
            # A worker's, which a shared folder does not show yet; the next end will find it.
            return
        if record is None:
            settled = self.plan.space.settle(values)
            record = dataclasses.replace(
                records.failed(folder, trial, settled, reason),
                seconds=seconds_trained(folder, trial, values),
                earlier=earlier_of(values),
            )
            records.write(folder, record)
        known = records.read_all(folder)
        self.write(known)
        write_hparams(self.plan, record)
        self._tell(record, known, _duration(self._left(known)))

    def tell_earlier(self):
        """Tells of the trials that ended before the search was resumed."""
        known = records.read_all(self.plan.folder)
        for number, one in enumerate(known, start=1):
            self._tell(one, known[:number], "-")
        if len(known) >= self.plan.max_trials:
            self.say(f"all {len(known)} trials have ended: there is nothing to train")

    def write(self, known):
        """Writes results.csv and best.yaml."""
        write_text(self.plan.folder.results, as_csv(self.plan, known))
        if best := records.best(known):
            write_text(self.plan.folder.best, best_yaml(self.plan, best))

    def finish(self):
        """Writes what is missing yet, the picture and the ranking; gives records and ranking."""
        known = records.read_all(self.plan.folder)
        self.write(known)
        for one in known:
            # A kill came between its end and this.
            if not (self.plan.folder.tensorboard / one.trial).is_dir():
                write_hparams(self.plan, one)
        if any(one.state == COMPLETED for one in known):
            draw(self.plan, known)
        ranking = rank(self.plan.space, known, unused(self.plan))
        write_json(self.plan.folder.importance, ranking)
        return known, ranking

    def _tell(self, record, known, left):
        if not self._headed:
            self.say(_row("trial", "objective", "best", "by", "seconds", "left"))
            self._headed = True
        best = records.best(known)
        self.say(
            _row(
                record.trial,
                short(record.objective) if record.state == COMPLETED else record.state,
                short(best.objective) if best else "-",
                best.trial if best else "-",
                f"{record.seconds:.0f}",
                left,
                record.reason or "",
            )
        )

    def _left(self, known):
        mean = sum(one.seconds for one in known) / len(known)
        return (self.plan.max_trials - len(known)) * mean / max(1, self.workers())


def _row(trial, objective, best, by, seconds, left, reason=""):
    row = f"{trial:>6} {objective:>10} {best:>10} {by:>6} {seconds:>8} {left:>8}  {reason}"
    return row.rstrip()


def short(value) -> str:
    """A setting or figure in few digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _duration(seconds) -> str:
    return str(datetime.timedelta(seconds=max(0, round(seconds))))


def as_csv(plan, known) -> str:
    """A row a trial: state, objective, values, label-free figures, reason."""
    figures = sorted({name for one in known for name in one.figures} - {str(plan.objective)})
    names = [*plan.space.names]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heading = ["trial", "state", str(plan.objective), "steps", "whole", "earlier", "pick"]
    writer.writerow([*heading, "seconds", "seed", *names, *figures, "reason"])
    for one in known:
        row = [one.trial, one.state, one.objective, one.steps, one.whole, one.earlier, one.pick]
        row += [f"{one.seconds:.1f}", plan.config.seed, *(one.values.get(name) for name in names)]
        writer.writerow([*row, *(one.figures.get(name) for name in figures), one.reason])
    return out.getvalue()


def best_yaml(plan, best) -> str:
    """The winner's whole configuration, as `train --config` takes it."""
    lines = [
        f"# Trial {best.trial} of the search in {plan.folder.path}: {plan.objective} "
        f"{best.objective!r} at step {best.pick}.",
        *_figure_lines(best.figures, plan.config.deterministic),
    ]
    if plan.objective.reads_target_labels:
        lines.append("# CHOSEN BY TARGET LABELS: not a fair choice.")
    # So that `train` picks the same evaluation, and says so.
    picker = picked_by(plan) or plan.config.criterion
    config = plan.config.replace(**best.values, criterion=picker, output=None)
    return "\n".join([*lines, config.to_yaml()])


def _figure_lines(figures, deterministic):
    """The winner's figures as comments: those that `train` writes in metrics.jsonl, and others."""
    repeated = (
        "which `train` repeats" if deterministic else "which `train` repeats, but not exactly"
    )
    for again, words in ((True, repeated), (False, "which `train` does not show")):
        shown = [
            f"{name} {value!r}"
            for name, value in figures.items()
            if (name in CRITERIA) == again and value is not None
        ]
        if shown:
            yield f"# Figures {words}: {', '.join(shown)}."


def write_hparams(plan, record):
    """One trial for TensorBoard's HParams page."""
    writer = tf.summary.create_file_writer(str(plan.folder.tensorboard / record.trial))
    with writer.as_default():
        hparams.hparams(dict(record.values), trial_id=record.trial)
        if record.state == COMPLETED:
            for name, value in {str(plan.objective): record.objective, **record.figures}.items():
                if value is not None:
                    tf.summary.scalar(name, value, step=record.steps)
        ended = api_pb2.STATUS_SUCCESS if record.state == COMPLETED else api_pb2.STATUS_FAILURE
        ending = summary.session_end_pb(ended).SerializeToString()
        tf.summary.experimental.write_raw_pb(ending, step=record.steps)
    writer.close()


def table(plan, known, ranking) -> str:
    """The trials as text, then how much each setting seemed to matter, as `rank` gives it.

    The best comes first; those that were stopped before their end, and failures, come last.
    """
    ended = sorted(
        known, key=lambda one: (one.state == FAILED, not one.whole, -(one.objective or 0.0))
    )
    names = plan.space.names
    headings = ["trial", str(plan.objective), "steps", "seconds", *names]
    rows = [[*_cells(one), *(short(one.values.get(name, "-")) for name in names)] for one in ended]
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    reasons = ["", *(one.reason or "" for one in ended)]
    lines = [
        "  ".join([*map(str.rjust, cells, widths), reason]).rstrip()
        for cells, reason in zip([headings, *rows], reasons, strict=True)
    ]
    if ranking["ranking"]:
        score = ranking["out_of_bag_r2"]
        worth = ", which says nothing" if score <= 0 else ""
        lines += ["", f"importance (out-of-bag R2 {score:.2f}{worth}):"]
        lines += [f"  {one['setting']:<26}{one['importance']:.3f}" for one in ranking["ranking"]]
    else:
        lines += ["", f"importance: {ranking['why_not']}"]
    return "\n".join(lines)


def _cells(record) -> list[str]:
    objective = short(record.objective) if record.state == COMPLETED else record.state
    return [record.trial, objective, str(record.steps), f"{record.seconds:.0f}"]
