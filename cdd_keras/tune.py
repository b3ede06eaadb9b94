"""`python -m cdd_keras.tune`: searches for better settings."""

import os
import sys
import time
from pathlib import Path

from cdd_keras import cli, schema
from cdd_keras.config import read_file
from cdd_keras.data.layouts import check_reachable
from cdd_keras.errors import UsageError
from cdd_keras.search import TUNERS, Plan, SearchFolder, parse_objective, read_space
from cdd_keras.search.cluster import ALONE, CHIEF, PATIENCE, WORKER, find_place, listening
from cdd_keras.search.objectives import NAMES
from cdd_keras.search.space import FIELDS
from cdd_keras.search.space_file import DEFAULT
from cdd_keras.workers import refuse_workers

DESCRIPTION = (
    "Search for better settings: trainings of --steps-per-trial steps, chosen by KerasTuner."
)
TRIALS = 20
# Seconds without a sign of life after which a worker is taken for dead; one comes every two.
WORKER_TIMEOUT = 60.0


def run(arguments):
    """Parses the command line and searches; gives the exit code."""
    parsed = _parser().parse_args(arguments)
    if parsed.resume and parsed.overwrite:
        raise UsageError("--resume and --overwrite exclude each other. Give one of them.")
    place = find_place(parsed.chief, parsed.worker, os.environ)
    if parsed.directory is None and (parsed.resume or place.role != ALONE):
        asked = "--resume" if parsed.resume else f"a {place.role}"
        raise UsageError(f"{asked} needs --directory, the folder of the search. Give it.")
    plan = _plan(parsed)
    timeout = _number(parsed.worker_timeout, float, 5, "--worker-timeout")
    if place.role == WORKER:
        _await(plan, PATIENCE)
        if plan.is_finished():
            _say(f"the search in {plan.folder.path} has ended: nothing to do")
            return 0
    else:
        plan.check_folder(parsed.resume, parsed.overwrite)
    if place.role != CHIEF:
        check_reachable(plan.config)
    cli.load_tensorflow()
    from cdd_keras.data import load_pair
    from cdd_keras.search.checks import check, check_data
    from cdd_keras.search.run import search

    check(plan)
    # Data that are wrong leave no folder behind, nor does an address; a chief needs no data.
    pair = None if place.role == CHIEF else load_pair(plan.config)
    if pair is not None:
        check_data(plan, pair)
    with listening(place) as server:
        if place.role != WORKER:
            plan.prepare(parsed.resume, parsed.overwrite)
            begins = "" if plan.folder.oracle.is_dir() else ", where a search begins"
            _say(f"search folder: {plan.folder.path}{begins}")
        if plan.objective.reads_target_labels:
            _say(f"ORACLE: {plan.objective} reads target labels; what it chooses is no fair choice")
        place.enter()
        results = search(plan, place, pair, _say, timeout, server)
    if results is not None:
        print(results)
        _say(f"best: {plan.folder.best}  all: {plan.folder.results}  {plan.folder.picture}")
    return 0


def _parser():
    parser = cli.Parser("tune", DESCRIPTION)
    search = parser.add_argument_group("search")
    add = search.add_argument
    add("--tuner", choices=TUNERS, default="bayesian", help="default bayesian")
    add("--max-trials", metavar="N", default=str(TRIALS), help=f"trials (default {TRIALS})")
    add("--steps-per-trial", metavar="N", help="training steps of a whole trial; else --steps")
    add("--space", metavar="FILE", help="YAML file of what varies; else rates, beliefs and phases")
    add(
        "--objective",
        metavar="NAME",
        help=f"figure to maximise, else --criterion, or a sum: {', '.join(NAMES)}",
    )
    add("--directory", metavar="DIR", help="search folder; runs/tune-<attr>-<time> by default")
    add("--resume", action="store_true", help="go on with the search in --directory")
    add("--overwrite", action="store_true", help="replace the search in --directory")
    add("--chief", metavar="HOST:PORT", help="choose trials for workers, listening there")
    add("--worker", metavar="HOST:PORT", help="train trials for the chief there")
    add(
        "--worker-timeout",
        metavar="SECONDS",
        default=str(WORKER_TIMEOUT),
        help=f"silence after which a worker is given up (default {WORKER_TIMEOUT:g})",
    )
    cli.add_config_flags(parser)
    return parser


def _plan(parsed):
    config = cli.config_from_flags(parsed)
    refuse_workers(config, "`tune`, which has workers of its own (--chief, --worker)")
    if "output" in vars(parsed):
        raise UsageError("`output` is each trial's own. Give --directory, the search's folder.")
    # A run's config.yaml names the run's.
    config = config.replace(output=None)
    if parsed.steps_per_trial is not None:
        if "steps" in vars(parsed):
            raise UsageError("--steps and --steps-per-trial are one setting. Give one of them.")
        steps = schema.parse(FIELDS["steps"], parsed.steps_per_trial, "--steps-per-trial")
        config = config.replace(steps=steps)
    # So that best.yaml repeats its number to the last bit.
    if not _is_given("deterministic", parsed):
        config = config.replace(deterministic=True)
    directory = parsed.directory or f"runs/tune-{config.attr}-{time.strftime('%Y%m%d-%H%M%S')}"
    return Plan(
        config,
        read_space(parsed.space) if parsed.space else DEFAULT,
        parse_objective(parsed.objective or config.criterion),
        parsed.tuner,
        _number(parsed.max_trials, int, 1, "--max-trials"),
        SearchFolder(Path(directory)),
    )


def _is_given(name, parsed):
    return name in vars(parsed) or bool(parsed.config and name in read_file(parsed.config))


def _number(text, kind, least, label):
    try:
        number = kind(text)
    except ValueError:
        number = float("nan")
    if not least <= number < float("inf"):
        raise UsageError(
            f"`{label}` is {text!r}. Expected {schema.NAMES[kind]} of at least {least}."
        )
    return number


def _await(plan, timeout):
    """Waits for the chief to make the search's folder, and checks that it is the same search."""
    until = time.monotonic() + timeout
    if not plan.folder.plan.is_file():
        _say(f"waiting for a chief to make {plan.folder.path}, up to {timeout:g} s")
    while not (plan.folder.plan.is_file() and plan.folder.base.is_file()):
        if time.monotonic() > until:
            raise UsageError(
                f"{plan.folder.path} holds no search after {timeout:g} seconds. Expected a chief "
                "to have made it: --directory is a folder that chief and workers share."
            )
        time.sleep(0.2)
    plan.check_same()


def _say(message):
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    cli.leave(cli.main(run))
