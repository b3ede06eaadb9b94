"""`python -m cdd_keras.evaluate`: reports the figures of a run on a split, or on other data."""

import json
import sys
from dataclasses import replace
from pathlib import Path

from cdd_keras import cli
from cdd_keras.domains import DOMAINS
from cdd_keras.errors import CddError, UsageError
from cdd_keras.strengths import add_strengths, strengths_given

DESCRIPTION = "Report how well a run reads and draws its attribute."
EPILOG = "The judges are those of the run; a run without any has them trained now, and keeps them."
SPLITS = ("train", "validation", "test")
# All images of a domain: a target without labels is learnt from whole (transductive).
ALL = "all"
FIGURES = ("accuracy", "balanced_accuracy", "f1", "auc", "majority")
HEADINGS = ("accuracy", "balanced", "f1", "auc", "majority", "95% interval", "images")


def run(arguments: list[str]) -> int | None:
    """Parses the command line and evaluates; gives the exit code."""
    parsed = _parser().parse_args(arguments)
    strengths = strengths_given(parsed)
    from cdd_keras.inference import find_run, open_run

    config = find_run(parsed.run).config.replace(**strengths)
    if parsed.data_dir is not None:
        config = _with_data_dir(config, parsed.data_dir)
    cli.load_tensorflow()
    # The arithmetic of training, so that figures are those of its report.
    opened = open_run(parsed.run, config.precision, strengths)
    report = _report(opened, config, parsed.split)
    print(json.dumps(report, indent=2, allow_nan=False) if parsed.json else table(report))
    return 0


def _parser() -> cli.Parser:
    parser = cli.Parser("evaluate", DESCRIPTION)
    parser.epilog = EPILOG
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--data-dir", metavar="DIR", help="folder of the data (default: where it was trained)"
    )
    parser.add_argument(
        "--split",
        choices=(*SPLITS, ALL),
        default="test",
        help="whose images are used; all: those of every split (default: test)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    add_strengths(parser)
    return parser


def _with_data_dir(config, folder: str):
    if config.data == "synthetic":
        raise UsageError("`--data-dir` does not fit this run: its faces are drawn, not read.")
    if not Path(folder).is_dir():
        raise UsageError(f"`--data-dir` is not a folder: {folder}.")
    return config.replace(data_dir=folder)


def _report(run, config, split: str) -> dict:
    """What report.json would hold, for the split and data asked."""
    from cdd_keras.evaluation import classification_report, generation_report
    from cdd_keras.metrics.summary import build_report, plain
    from cdd_keras.quality import quality_report

    pair = _load(run, config, SPLITS).joined() if split == ALL else _load(run, config, (split,))
    _say(f"evaluating step {run.step} on the {split} split")
    generation = None
    if run.model.has_generator:
        shown = (run.model, pair, _judges(run), split, config.seed)
        generation = {**generation_report(*shown), **quality_report(*shown)}
    seconds, rate, picks = _history(run)
    measured = classification_report(run.model, pair, split)
    if split != "test" or config != run.config:
        picks = _measured_again(run, picks, pair, split, measured)
    elif picks["label_free"]:
        picks["label_free"] |= measured
    report = build_report(config, pair, {"label_free": measured}, generation, seconds, rate)
    return {**report, "selection": plain(picks)}


def _measured_again(run, picks: dict, pair, split: str, measured: dict) -> dict:
    """The picks with figures of the data asked; None where their checkpoint is gone.

    `measured` are those of the label-free pick, whose weights the model has and keeps.
    """
    from cdd_keras import checkpoints
    from cdd_keras.evaluation import classification_report

    figures = {run.step: measured}
    for step in {pick["step"] for pick in picks.values() if pick} - {run.step}:
        try:
            checkpoints.load(run.model, run.folder.checkpoints, step)
            figures[step] = classification_report(run.model, pair, split)
        except CddError:
            figures[step] = dict.fromkeys(DOMAINS)
    checkpoints.load(run.model, run.folder.checkpoints, run.step)
    return {name: pick and {**pick, **figures[pick["step"]]} for name, pick in picks.items()}


def _history(run) -> tuple[float | None, float | None, dict]:
    """Seconds, images a second and the selection that the run's evaluations tell."""
    from cdd_keras.metrics.selection import select
    from cdd_keras.runs import evaluations

    rows = run.folder.read_rows()
    if not rows:
        return None, None, dict.fromkeys(("final", "label_free", "oracle"))
    seconds = rows[-1]["seconds"]
    rate = 2 * run.config.batch_size * rows[-1]["step"] / seconds if seconds else None
    return seconds, rate, select(evaluations(rows), run.config.criterion)


def _load(run, config, splits):
    """The pair of domains with labels in the numbering of the run.

    Raises:
        UsageError: the data have a value that the run does not know.
    """
    from cdd_keras.data import load_pair
    from cdd_keras.data.attributes import kebab

    pair = load_pair(config, splits)
    known = [kebab(value) for value in run.attribute.values]
    values = [kebab(value) for value in pair.attribute.values]
    unknown = [value for value in values if value not in known]
    if unknown:
        raise UsageError(
            f"The data have values of {pair.attribute.name} that the run {run.folder.path} was "
            f"not trained on: {', '.join(unknown)}. Expected {', '.join(known)}."
        )
    sets = {place: _renumbered(one, values, known) for place, one in pair.sets.items()}
    return replace(pair, attribute=run.attribute, sets=sets)


def _renumbered(images, values: list[str], known: list[str]):
    """A class folder that is empty, or not there, shifts the numbers of those after it."""
    import numpy as np

    if images.labels is None or values == known:
        return images
    numbers = np.array([known.index(value) for value in values], np.int32)
    return replace(images, labels=numbers[images.labels])


def _judges(run):
    """The judges of the run; where it has none they are trained, on its own data, and kept.

    Raises:
        UsageError: there are none, nor the data of the run to train them on.
    """
    from cdd_keras.judges import INDEX, load_judges, train_judges

    folder = run.folder.judges
    if (folder / INDEX).exists():
        return load_judges(folder)
    _say(f"{folder} holds no judges: training them")
    try:
        # As at the end of a training: whatever data are asked, the judges are the run's.
        pair = _load(run, run.config, SPLITS)
    except UsageError as error:
        raise UsageError(
            f"{folder} holds no judges, and the run's own data to train them on cannot be had: "
            f"{error}"
        ) from error
    return train_judges(pair, run.config, folder)


def table(report: dict) -> str:
    """The figures of a report as text: a row a domain, then what the judges see."""
    lines = [
        f"{report['method']}: {report['attribute']}, {report['image_size']} px, "
        f"{report['steps']} steps, seed {report['seed']}",
        "",
        _row("", HEADINGS),
    ]
    for domain in DOMAINS:
        name = f"{domain} ({report['domains'][domain]})"
        lines.append(_row(name, _cells(report[domain])))
    if report["generation"]:
        lines += ["", *_generation_lines(report["generation"])]
    return "\n".join(lines)


def _cells(figures: dict | None) -> list[str]:
    if figures is None:
        return ["-"] * (len(FIGURES) + 2)
    interval = "-".join(map(_number, figures["accuracy_ci95"] or [None, None]))
    return [*(_number(figures[name]) for name in FIGURES), interval, str(figures["count"])]


def _generation_lines(generation: dict):
    """A row a figure, its cells `source 0.912` and the like."""
    for name, cells in generation.items():
        parts = []
        for key, value in cells.items():
            inner = value.items() if isinstance(value, dict) else [("", value)]
            parts += [f"{key} {part}".strip() + f" {_number(one)}" for part, one in inner]
        yield f"{name.replace('_', ' '):<24}{'   '.join(parts)}"


def _row(name: str, cells: list[str]) -> str:
    widths = [max(len(heading), 5) + 2 for heading in HEADINGS]
    columns = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{name:<24}" + "".join(columns)


def _number(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    cli.leave(cli.main(run))
