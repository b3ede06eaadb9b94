"""`python -m cdd_keras.train`: trains a model and reports on it."""

import sys

from cdd_keras import cli
from cdd_keras.errors import UsageError

DESCRIPTION = "Train a model on a labelled and an unlabelled image domain, and report on it."


def run(arguments):
    """Parses the command line and trains; gives the exit code."""
    parser = cli.Parser("train", DESCRIPTION)
    cli.add_config_flags(parser)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--overwrite", action="store_true", help="replace the output folder")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show configuration, networks and cost; train nothing",
    )
    parsed = parser.parse_args(arguments)
    if parsed.resume and parsed.overwrite:
        raise UsageError("--resume and --overwrite exclude each other. Give one of them.")
    config = cli.config_from_flags(parsed)
    if parsed.dry_run:
        cli.load_tensorflow()
        from cdd_keras.summary import describe

        print(describe(config))
        return 0
    return _train(config, parsed)


def _train(config, parsed):
    from cdd_keras.runs import prepare_run

    folder = prepare_run(config, parsed.resume, parsed.overwrite)
    if parsed.resume and folder.report.is_file():
        _say(f"{folder.path} is finished; its report is {folder.report}")
        print(_summary(_read_json(folder.report)))
        return 0
    _say(f"run folder: {folder.path}")
    cli.load_tensorflow()
    from cdd_keras.training import train

    report = train(config, folder, _say)
    print(_summary(report))
    _say(f"report: {folder.report}  pictures: {folder.samples}")
    return 0


def _read_json(path):
    import json

    return json.loads(path.read_text())


def _say(message):
    print(message, file=sys.stderr, flush=True)


def _summary(report):
    """The figures of a report that one looks for first, as text."""
    lines = [f"{report['method']}: {report['attribute']}, {report['seconds']:.0f} s of training"]
    for domain in ("source", "target"):
        figures = report[domain]
        if figures:
            lines.append(f"  {domain} ({report['domains'][domain]}): " + _figures(figures))
    generation = report["generation"] or {}
    for name in ("edit_success", "domain_success", "sample_success", "judge_accuracy"):
        if generation.get(name):
            shown = ", ".join(f"{d} {_number(v)}" for d, v in generation[name].items())
            lines.append(f"  {name.replace('_', ' ')}: {shown}")
    return "\n".join(lines)


def _figures(figures):
    names = ("accuracy", "balanced_accuracy", "f1", "auc", "majority")
    shown = "  ".join(f"{name.replace('_', ' ')} {_number(figures[name])}" for name in names)
    return f"{shown}  of {figures['count']} images"


def _number(value):
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(cli.main(run))
