"""The main job: from a configuration to a run folder with a report."""

import json
import os
from contextlib import ExitStack, contextmanager
from dataclasses import asdict

import keras

from cdd_keras import checkpoints
from cdd_keras.callbacks import DecayRates, EndAtNonFinite, KeepRun, StopWhenAsked
from cdd_keras.data import training_batches
from cdd_keras.domains import SOURCE, TARGET
from cdd_keras.errors import CddError
from cdd_keras.evaluation import generation_report
from cdd_keras.files import write_json
from cdd_keras.intervals import evaluation_interval, last_due
from cdd_keras.judges import train_judges
from cdd_keras.methods import reads_target_labels
from cdd_keras.metrics.selection import select
from cdd_keras.metrics.summary import build_report
from cdd_keras.model import CrossDomainModel
from cdd_keras.precision import use_precision
from cdd_keras.progress import Progress
from cdd_keras.quality import quality_report
from cdd_keras.runs import evaluations
from cdd_keras.signals import held_signals
from cdd_keras.strategies import open_devices


def train(config, pair, folder, say, resume=False, devices=None):
    """Trains, evaluates and reports; of several workers the chief alone does more than train.

    Args:
        config: the `Config`.
        pair: the `DomainPair` that `load_pair` gives for it.
        folder: a prepared `RunFolder`.
        say: called with a line for the person watching, before and after training.
        resume: go on from the newest checkpoint in `folder`, from step 0 if there is none.
        devices: where to, see `strategies.open_devices`; by default as the configuration asks.

    Returns:
        What report.json holds; None for a worker that is not the chief.

    Raises:
        LostWorkerError: another worker has died.
    """
    devices = devices or open_devices(config, say)
    with telling_of_disk(folder), devices.watched():
        devices.check_same(_identity(config, pair))
        model = build_model(config, pair, devices)
        if devices.is_chief:
            folder.write_labels(pair)
            if resume:
                resume_model(model, folder, say)
        devices.agree(model.state)
        start = int(model.step.numpy())
        if resume:
            say(f"resumed at step {start}")
        fit(model, pair, config, folder, start)
        report = None
        if devices.is_chief:
            report = report_run(model, pair, config, folder, say)
            write_json(folder.report, report)
        devices.wait()
    return report


def _identity(config, pair):
    """What workers of one training have in common, wherever each has its files."""
    places = {"output": None, "data_dir": None, "target_dir": None}
    sets = [pair.get("train", domain) for domain in (SOURCE, TARGET)]
    return json.dumps([{**asdict(config), **places}, [list(map(str, one.ids)) for one in sets]])


@contextmanager
def telling_of_disk(folder):
    """Turns an OSError inside into a CddError that says what is left of the run in `folder`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        kept = checkpoints.steps(folder.checkpoints)
        left = f"Its checkpoint of step {kept[-1]} is whole" if kept else "It has no checkpoint yet"
        raise CddError(
            f"The run cannot be kept in {folder.path}: {reason}. {left}; when there is room and "
            "leave to write again, go on with --resume."
        ) from error


def build_model(config, pair, devices=None):
    """A compiled `CrossDomainModel` with the initial weights of the configuration's seed.

    It trains on `devices`, by default those that the configuration asks for.
    """
    devices = devices or open_devices(config, lambda line: None)
    use_precision(config.precision)
    # Initial weights are Keras's own draws; what is drawn in training is keyed by seed and step.
    keras.utils.set_random_seed(config.seed)
    model = CrossDomainModel(config, pair.attribute.classes)
    model.devices = devices
    model.compile()
    return model


def resume_model(model, folder, say):
    """Restores the newest good checkpoint of a run and gives its step; 0 without any."""
    evaluated = {0, *(row["step"] for row in folder.read_rows())}
    return checkpoints.resume(
        model, folder.checkpoints, lambda step: last_due(step, model.config) in evaluated, say
    )


def fit(model, pair, config, folder, start, until=None, progress=None):
    """Trains a compiled model from a step to the end of its run.

    Evaluations and checkpoints are kept in `folder`; rows of it from after `start` are dropped. A
    worker that is not the chief keeps nothing.

    Args:
        model: as `build_model` gives it, or restored to the step `start`.
        pair, config, folder: see `train`.
        start: the step to begin at.
        until: the number of the evaluation to stop after, counted from the run's beginning;
            None: its last.
        progress: the `Progress` that tells how it goes; one of its own by default.

    Raises:
        KeyboardInterrupt: or what else SIGINT and SIGTERM do, once the step is saved.
        NotFiniteError: see `EndAtNonFinite`.
    """
    end = min(config.steps, (until or config.steps) * evaluation_interval(config))
    if start >= end:
        return
    batches = training_batches(
        pair.get("train", SOURCE),
        pair.get("train", TARGET),
        batch_size=config.batch_size,
        seed=config.seed,
        start_step=start,
        balanced=config.balanced,
        with_target_labels=reads_target_labels(config.method),
        share=model.devices.share,
    )
    # Batches may be balanced, and beliefs about the target start from how frequent values are.
    model.belief.know(pair.get("train", SOURCE).labels)
    with ExitStack() as stack:
        stop = StopWhenAsked(stack.enter_context(held_signals()))
        callbacks = [DecayRates(config), EndAtNonFinite(config.nonfinite_steps), stop]
        if model.devices.is_chief:
            progress = progress or Progress(config.steps, start, 2 * config.batch_size)
            stack.callback(progress.close)
            rows = [row for row in folder.read_rows() if row["step"] <= start]
            callbacks += [progress, KeepRun(folder, pair, config, rows, progress, stop.asked)]
        # One epoch for Keras: what comes at intervals is counted in steps of the run.
        model.fit(batches, steps_per_epoch=end - start, callbacks=callbacks, verbose=0)


def report_run(model, pair, config, folder, say):
    """Judges the label-free pick of a trained run and gives its report.

    The model is left with the pick's weights.
    """
    rows = folder.read_rows()
    selection = select(evaluations(rows), config.criterion)
    checkpoints.load(model, folder.checkpoints, selection["label_free"]["step"])
    generation = None
    if model.has_generator:
        say("training the judges and judging what the model draws")
        judges = train_judges(pair, config, folder.judges)
        generation = {
            **generation_report(model, pair, judges, "test", config.seed),
            **quality_report(model, pair, judges, "test", config.seed),
        }
    seconds = rows[-1]["seconds"]
    return build_report(
        config,
        pair,
        selection,
        generation,
        seconds=seconds,
        images_per_second=2 * config.batch_size * config.steps / seconds,
    )
