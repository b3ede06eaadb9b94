"""`python -m cdd_keras.train`: trains a model and reports on it."""

import json
import os
import shlex
import sys
from pathlib import Path

from cdd_keras import cli
from cdd_keras.data.layouts import check_reachable
from cdd_keras.errors import UsageError
from cdd_keras.evaluate import table
from cdd_keras.signals import exit_on_sigterm
from cdd_keras.workers import VARIABLE, check_shares, read_workers

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
        from cdd_keras.dry_run import describe

        print(describe(config))
        return 0
    with exit_on_sigterm():
        return _train(config, parsed)


def _train(config, parsed):
    from cdd_keras.runs import RunFolder, choose_folder, prepare_run

    # Of several workers the chief alone looks after the run folder.
    is_chief = _is_chief(config)
    if is_chief:
        folder = choose_folder(config, parsed.resume, parsed.overwrite)
    else:
        folder = RunFolder(Path(config.output))
    if parsed.resume and folder.report.is_file():
        _say(f"{folder.path} is finished; its report is {folder.report}")
        print(table(json.loads(folder.report.read_text())))
        return 0
    check_reachable(config)
    cli.load_tensorflow()
    from cdd_keras.data import load_pair
    from cdd_keras.strategies import open_devices
    from cdd_keras.training import train

    devices = open_devices(config, _say)
    # Data that are wrong leave no folder behind, and an old run as it was.
    pair = load_pair(config)
    if is_chief:
        folder = prepare_run(config, parsed.resume, parsed.overwrite)
        _say(f"run folder: {folder.path}")
    try:
        report = train(config, pair, folder, _say, parsed.resume, devices)
    except (KeyboardInterrupt, SystemExit):
        again = shlex.join(["--config", str(folder.config), "--resume"])
        every = ", on every worker" if config.strategy == "multiworker" else ""
        _say(f"Go on with: python -m cdd_keras.train {again}{every}")
        raise
    if is_chief:
        print(table(report))
        _say(f"report: {folder.report}  pictures: {folder.samples}")
    return 0


def _is_chief(config):
    """Whether the run is this process's; what TF_CONFIG tells is checked without TensorFlow."""
    if config.strategy != "multiworker":
        if os.environ.get(VARIABLE):
            unused = f"{VARIABLE} is not used: --strategy is {config.strategy}."
            _say(f"{unused} This process trains alone")
        return True
    workers = read_workers(os.environ)
    check_shares(config.batch_size, workers.count, config.exact_sums)
    if config.output is None:
        raise UsageError(
            "`output` is required with --strategy multiworker: the run folder, the same for all."
        )
    return workers.is_chief


def _say(message):
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    cli.leave(cli.main(run))
