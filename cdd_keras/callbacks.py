"""What a run keeps as it goes: figures, pictures and checkpoints."""

import time

import keras
import tensorflow as tf

from cdd_keras import checkpoints, grids
from cdd_keras.data.preprocessing import to_float
from cdd_keras.domains import DOMAINS, SOURCE
from cdd_keras.evaluation import classification_report, label_free_scores
from cdd_keras.finite import NotFiniteError
from cdd_keras.intervals import is_due
from cdd_keras.judges import thin
from cdd_keras.metrics.selection import pick_label_free
from cdd_keras.metrics.summary import plain
from cdd_keras.optimisers import rate_left
from cdd_keras.runs import evaluations

# Training images that a model at rest is fitted to, such as the samples' prior, a domain.
REST_IMAGES = 750
# The step of the first pictures: soon, but late enough to show something.
FIRST_PICTURE = 60


class Pictures:
    """Writes the grids of a run: `samples/step-N.png` and `samples/step-N-drawn.png`."""

    def __init__(self, model, pair, folder):
        self.model = model
        named = model.traits.names_values
        self.attribute = pair.attribute if named else pair.attribute.unnamed()
        self.names = pair.names
        self.images = grids.pick_images(pair, "test")
        self.folder = folder

    def write(self, step):
        """Writes the grids of a step; gives the images drawn, as uint8 arrays by name."""
        drawn = {}
        if any(map(self.model.can_translate, DOMAINS)):
            drawn["translations"] = grids.comparison_grid(
                self.model, self.images, self.attribute, self.names
            )
        if any(map(self.model.can_sample, DOMAINS)):
            drawn["samples"] = grids.sample_grid(self.model, self.attribute, self.names)
        for name, image in drawn.items():
            grids.save_png(image, self.folder / f"{name}-{step:08d}.png")
        return drawn


class DecayRates(keras.callbacks.Callback):
    """Lets all players' learning rates fall over the later part of a run, see `rate_left`.

    Args:
        config: reads `decay_start` and `steps`.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config

    def on_train_begin(self, logs=None):
        self._step = int(self.model.step.numpy())

    def on_train_batch_begin(self, batch, logs=None):
        optimizer = self.model.optimizer
        optimizer.learning_rate = optimizer.first_rate * rate_left(self._step, self.config)
        self._step += 1


class EndAtNonFinite(keras.callbacks.Callback):
    """Ends a training in which too many steps in a row were skipped, see `finite`.

    Args:
        limit: so many steps.

    Raises:
        NotFiniteError: in `fit`; it names the loss or gradient.
    """

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def on_train_batch_end(self, batch, logs=None):
        guard = self.model.guard
        if int(guard.in_a_row.numpy()) >= self.limit:
            step = int(self.model.step.numpy())
            raise NotFiniteError(
                f"{guard.names[int(guard.culprit.numpy())]} is NaN or infinite for "
                f"{self.limit} steps in a row, up to step {step}. These steps were skipped. "
                "Lower the learning rates, or the weight of what diverges, and train anew."
            )


class StopWhenAsked(keras.callbacks.Callback):
    """Ends a training that was asked to stop, that of every worker after the same step.

    Args:
        came: signals that have come here, see `signals.held_signals`; one that has come to another
            worker is added.

    Attributes:
        asked: the signals for which the step that has just ended is the last; empty before.
    """

    def __init__(self, came):
        super().__init__()
        self.came = came
        self.asked = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.devices.tell(self.came)

    def on_train_batch_end(self, batch, logs=None):
        if self.model.devices.hear(self.came):
            self.asked += self.came
            self.model.stop_training = True


class KeepRun(keras.callbacks.Callback):
    """At the end of each interval: evaluates, draws, saves; and saves in between.

    Args:
        folder: the `RunFolder`.
        pair: the `DomainPair`.
        config: the `Config`.
        rows: rows of metrics.jsonl from before a resume.
        progress: the `Progress` that is told.
        asked: signals that the training is to stop for, see `StopWhenAsked`, which comes before.
    """

    def __init__(self, folder, pair, config, rows, progress, asked=()):
        super().__init__()
        self.folder = folder
        self.pair = pair
        self.config = config
        self.first_picture = min(FIRST_PICTURE, max(1, config.steps // 10))
        self.rows = rows
        self.progress = progress
        self.asked = asked

    def on_train_begin(self, logs=None):
        self._before = self.model.seconds
        self._began = self._saved = time.monotonic()
        self.step = int(self.model.step.numpy())
        self._means = self._read_means()
        self._pictures = Pictures(self.model, self.pair, self.folder.samples)
        sets = {domain: self.pair.get("train", domain) for domain in DOMAINS}
        self._images = {domain: thin(one.images, REST_IMAGES) for domain, one in sets.items()}
        self._labels = thin(sets[SOURCE].labels, REST_IMAGES)
        self._board = tf.summary.create_file_writer(str(self.folder.tensorboard))

    def on_epoch_begin(self, epoch, logs=None):
        # Keras has just forgotten them, but the run may go on in the middle of an interval.
        for variable, value in self._means:
            variable.assign(value)

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step == self.first_picture and self.model.has_generator:
            self._fit_at_rest()
            self._draw()
            self.progress.say(f"first pictures: {self.folder.samples}")
        if is_due(self.step, self.config):
            self._evaluate(logs)
        elif self.asked or time.monotonic() - self._saved > self.config.checkpoint_seconds:
            self._save()
            self._prune()
        if self.asked:
            self.progress.say(f"{self.asked[0].name}: stopped at step {self.step}, which is saved")

    def on_train_end(self, logs=None):
        self._board.close()

    def _evaluate(self, logs):
        self._fit_at_rest()
        self._draw()
        row = plain(
            {
                "step": self.step,
                "seconds": self._seconds(),
                "settled": self.step >= self.model.recipe.settled * self.config.steps,
                **classification_report(self.model, self.pair, "test"),
                "label_free": label_free_scores(self.model, self.pair),
                "terms": {name: float(value) for name, value in logs.items()},
            }
        )
        # The next interval has means of its own.
        self.model.reset_metrics()
        # The checkpoint first: a row without one could not be picked.
        self._save()
        self.rows.append(row)
        self.progress.before_write()
        self.folder.write_rows(self.rows)
        self._prune()
        self._write_scalars(row)
        self.progress.say(_line(row))
        self.progress.evaluated(self.rows)

    def _save(self):
        self.progress.before_write()
        self.model.seconds = self._seconds()
        checkpoints.save(self.model, self.folder.checkpoints)
        self._saved = time.monotonic()

    def _prune(self):
        self.progress.before_write()
        rows = evaluations(self.rows)
        needed = {pick_label_free(rows, self.config.criterion)[0].step} if rows else set()
        checkpoints.prune(self.folder.checkpoints, self.config.checkpoints_kept, needed)

    def _seconds(self):
        return self._before + time.monotonic() - self._began

    def _read_means(self):
        variables = [variable for metric in self.model.metrics for variable in metric.variables]
        return [(variable, variable.numpy()) for variable in variables]

    def _fit_at_rest(self):
        images = {domain: to_float(images) for domain, images in self._images.items()}
        self.model.fit_at_rest(images, self._labels)

    def _draw(self):
        if not self.model.has_generator:
            return
        drawn = self._pictures.write(self.step)
        with self._board.as_default(self.step):
            for name, image in drawn.items():
                tf.summary.image(name, keras.utils.img_to_array(image)[None] / 255.0)

    def _write_scalars(self, row):
        with self._board.as_default(self.step):
            for name, value in row["terms"].items():
                tf.summary.scalar(name, value)
            for name, value in row["label_free"].items():
                if value is not None:
                    tf.summary.scalar(f"label_free/{name}", value)
            for domain in DOMAINS:
                for name, value in (row[domain] or {}).items():
                    if isinstance(value, float):
                        tf.summary.scalar(f"{domain}/{name}", value)


def _line(row):
    figures = "  ".join(
        f"{domain} {row[domain]['accuracy']:.3f} (balanced {row[domain]['balanced_accuracy']:.3f})"
        for domain in DOMAINS
        if row[domain] and row[domain]["balanced_accuracy"] is not None
    )
    return f"evaluated at step {row['step']}: {figures}"
