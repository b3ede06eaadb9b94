"""What a person sees while a model trains: a bar on a terminal, plain lines in a pipe."""

import sys
import time

import keras

# In a pipe: how many lines a whole run prints about.
LINES = 40
SHOWN = {
    "generator/reconstruction_source": "recon",
    "generator/edit_target": "edit",
    "classifier/labelled": "class",
    "classifier/self_training": "self",
    "discriminator/labelled": "class",
    "classifier/labelled_target": "target",
}


class Progress(keras.callbacks.Callback):
    """Losses, images a second and time left, on stderr.

    Args:
        steps: length of the run.
        start: step it starts or resumes at.
        images_a_step: real images used in one step.
    """

    def __init__(self, steps, start, images_a_step):
        super().__init__()
        self.steps = steps
        self.start = start
        self.images_a_step = images_a_step
        self.done = start
        self._bar = None

    def on_train_begin(self, logs=None):
        self._began = time.monotonic()
        if sys.stderr.isatty():
            self._bar = _make_bar(self.steps, self.start)

    def on_train_batch_end(self, batch, logs=None):
        self.done += 1
        every = max(1, self.steps // LINES)
        if self._bar is None and self.done % every and self.done != self.steps:
            return
        text = f"{self._rate():.0f} images/s  {_losses(logs or {})}"
        if self._bar is not None:
            bar, task = self._bar
            bar.update(task, completed=self.done, text=text)
        else:
            print(f"step {self.done}/{self.steps}  {text}", file=sys.stderr, flush=True)

    def on_train_end(self, logs=None):
        self.close()

    def close(self):
        """Gives the terminal back its cursor; Keras tells no callback of a `fit` that raises."""
        if self._bar is not None:
            self._bar[0].stop()
            self._bar = None

    def say(self, message):
        """A line of its own, above the bar where there is one."""
        if self._bar is not None:
            self._bar[0].console.print(message, highlight=False, markup=False)
        else:
            print(message, file=sys.stderr, flush=True)

    def before_write(self):
        """Hook for what is about to be written or deleted of the run; may raise to prevent it."""

    def evaluated(self, rows):
        """Hook for the rows of metrics.jsonl, of which the last has just been written."""

    def _rate(self):
        seconds = max(1e-9, time.monotonic() - self._began)
        return (self.done - self.start) * self.images_a_step / seconds


def _make_bar(steps, start):
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    bar.start()
    return bar, bar.add_task("", total=steps, completed=start, text="")


def _losses(logs):
    shown = [f"{SHOWN[name]} {float(logs[name]):.3f}" for name in SHOWN if name in logs]
    if not shown:
        shown = [f"{name.split('/')[-1]} {float(logs[name]):.3f}" for name in list(logs)[:3]]
    return "  ".join(shown)
