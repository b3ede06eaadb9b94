"""The main job: from a configuration to a run folder with a report."""

import math

import keras

from cdd_keras import checkpoints
from cdd_keras.callbacks import DecayRates, KeepRun
from cdd_keras.data import training_batches
from cdd_keras.domains import SOURCE, TARGET
from cdd_keras.evaluation import generation_report
from cdd_keras.files import write_json
from cdd_keras.judges import train_judges
from cdd_keras.methods import reads_target_labels
from cdd_keras.metrics.selection import select
from cdd_keras.metrics.summary import build_report
from cdd_keras.model import CrossDomainModel
from cdd_keras.precision import use_precision
from cdd_keras.progress import Progress
from cdd_keras.runs import evaluations


def train(config, pair, folder, say, resume=False):
    """Trains, evaluates and reports.

    Args:
        config: the `Config`.
        pair: the `DomainPair` that `load_pair` gives for it.
        folder: a prepared `RunFolder`.
        say: called with a line for the person watching, before and after training.
        resume: go on from the newest checkpoint in `folder`, from step 0 if there is none.

    Returns:
        What report.json holds.
    """
    folder.write_labels(pair)
    use_precision(config.precision)
    # Initial weights are Keras's own draws; what is drawn in training is keyed by seed and step.
    keras.utils.set_random_seed(config.seed)
    model = CrossDomainModel(config, pair.attribute.classes)
    model.compile()
    start = 0
    if resume:
        evaluated = {row["step"] for row in folder.read_rows()}
        start = checkpoints.resume(model, folder.checkpoints, evaluated, say)
        say(f"resumed at step {start}")
    fit(model, pair, config, folder, start)
    report = report_run(model, pair, config, folder, say)
    write_json(folder.report, report)
    return report


def fit(model, pair, config, folder, start):
    """Trains a compiled model from a step to the end of its run.

    Evaluations and checkpoints are kept in `folder`; rows of it from after `start` are dropped.
    """
    rows = [row for row in folder.read_rows() if row["step"] <= start]
    batches = training_batches(
        pair.get("train", SOURCE),
        pair.get("train", TARGET),
        batch_size=config.batch_size,
        seed=config.seed,
        start_step=start,
        balanced=config.balanced,
        with_target_labels=reads_target_labels(config.method),
    )
    # Batches may be balanced, and beliefs about the target start from how frequent values are.
    model.belief.know(pair.get("train", SOURCE).labels)
    progress = Progress(config.steps, start, 2 * config.batch_size)
    # Keras's epochs are the times between two evaluations here.
    interval = max(1, round(config.evaluate_every * config.steps))
    try:
        model.fit(
            batches,
            epochs=math.ceil(config.steps / interval),
            initial_epoch=math.ceil(start / interval),
            steps_per_epoch=interval,
            callbacks=[
                DecayRates(config),
                KeepRun(folder, pair, config, rows, progress.say),
                progress,
            ],
            verbose=0,
        )
    finally:
        progress.close()


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
        generation = generation_report(model, pair, judges, "test", config.seed)
    seconds = rows[-1]["seconds"]
    return build_report(
        config,
        pair,
        selection,
        generation,
        seconds=seconds,
        images_per_second=2 * config.batch_size * config.steps / seconds,
    )
