"""A table from the reports of its runs: as JSON for machines, as Markdown for people."""

import json
import statistics

from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.methods import reads_target_labels
from cdd_keras.metrics.selection import regrets
from cdd_keras.runs import evaluations
from cdd_keras.tables import ORDER, TUNED, Table

FIGURES = ("accuracy", "balanced_accuracy", "f1", "auc")
HEADINGS = (
    *("Method", "Seeds", "Target accuracy", "Published", "Balanced", "F1", "AUC"),
    *("Source accuracy", "Published", "Edits, source / target", "Samples, source / target"),
)
NONE = "-"
INTRODUCTION = (
    "Accuracies are of test images and of the checkpoint picked without target labels, as mean ± "
    "standard deviation over the seeds. Published figures are of the authors' data and networks. "
    "Edits and samples are what independent judges see, see docs/evaluation.md."
)

VALIDATORS_INTRODUCTION = (
    "What each label-free choice of a checkpoint gives up to the choice by target labels, in "
    "target balanced accuracy over the runs above (but for `oracle`):"
)


def collect(name: str, table: Table, runs, changes: dict) -> dict:
    """The content of the table's JSON file, of the runs that are finished.

    Args:
        name: the table's name on the command line.
        table: its `Table`.
        runs: `PlannedRun`s, finished or not.
        changes: settings that the runs have in place of the tasks' own.
    """
    tasks = [_task(task, [run for run in runs if run.task == task]) for task in table.tasks]
    return {"table": name, "title": table.title, "changes": changes, "tasks": tasks}


def _task(task, runs) -> dict:
    reports = {row: [] for row in ORDER}
    for run in runs:
        if run.is_finished:
            reports[run.row].append({**run.report(), "commit": _commit(run)})
    rows = [_row(task, row, found) for row, found in reports.items() if found]
    missing = [f"{run.row} seed {run.seed}" for run in runs if not run.is_finished]
    any_report = next((found[0] for found in reports.values() if found), None)
    return {
        "task": task.name,
        "title": task.title,
        "domains": any_report and any_report["domains"],
        "images": {domain: _common(reports, domain, "count") for domain in DOMAINS},
        "majority": {domain: _common(reports, domain, "majority") for domain in DOMAINS},
        "rows": rows,
        "validators": _validators(runs),
        "missing": missing,
    }


def _validators(runs) -> dict:
    """{validator: {run: what its pick gives up}}, of the runs that train without target labels."""
    found = {}
    for run in runs:
        if run.is_finished and not reads_target_labels(run.config.method):
            for name, regret in regrets(evaluations(run.folder.read_rows())).items():
                if regret is not None:
                    found.setdefault(name, {})[f"{run.row}-{run.seed}"] = regret
    return found


def _common(reports, domain, figure):
    """A figure of the images alone: the same in every report that has the domain."""
    known = [one[domain][figure] for found in reports.values() for one in found if one[domain]]
    return known[0] if known else None


def _row(task, row, reports) -> dict:
    published = task.published.get(row, (None, None))
    measured = [*DOMAINS, *(["all_target"] if "all_target" in reports[0] else [])]
    return {
        "row": row,
        "method": reports[0]["method"],
        "published": dict(zip(DOMAINS, published, strict=True)),
        "seeds": [report["seed"] for report in reports],
        **{
            domain: {name: _spread(reports, domain, name) for name in FIGURES}
            for domain in measured
        },
        **{
            kind: {domain: _spread(reports, "generation", kind, domain) for domain in DOMAINS}
            for kind in ("edit_success", "sample_success")
        },
        "final": _spread(reports, "selection", "final", TARGET, "accuracy"),
        "oracle_pick": _spread(reports, "selection", "oracle", TARGET, "accuracy"),
        "seconds": _spread(reports, "seconds"),
        "commits": sorted({report["commit"] for report in reports if report["commit"]}),
    }


def _spread(reports, *path) -> dict | None:
    """Mean, sample deviation (None of one) and values over the seeds; None if any lacks it."""
    values = [_at(report, path) for report in reports]
    if None in values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "std": deviation, "values": values}


def _at(report, path):
    for key in path:
        if report is None:
            return None
        report = report.get(key)
    return report


def _commit(run) -> str | None:
    environment = run.folder.path / "environment.json"
    return json.loads(environment.read_text())["commit"] if environment.is_file() else None


def markdown(result: dict) -> str:
    """What `collect` gives as a page."""
    lines = [f"# {result['title']}", "", INTRODUCTION]
    if result["changes"]:
        lines += ["", f"Settings other than the table's own: {_settings(result['changes'])}."]
    lines += _own_settings(result)
    for task in result["tasks"]:
        lines += ["", f"## {task['title']}", "", *_task_lines(task)]
    return "\n".join(lines) + "\n"


def _own_settings(result):
    """Which rows have settings that the others have not, and that no flag replaced."""
    shown = {row["row"] for task in result["tasks"] for row in task["rows"]}
    rows_by_settings = {}
    for row in ORDER:
        own = {name: v for name, v in TUNED.get(row, {}).items() if name not in result["changes"]}
        if own and row in shown:
            rows_by_settings.setdefault(_settings(own), []).append(f"`{row}`")
    for settings, rows in rows_by_settings.items():
        yield from ("", f"Settings of their own, {', '.join(rows)}: {settings}.")


def _settings(values):
    return ", ".join(f"`{name}` {value}" for name, value in values.items())


def _task_lines(task):
    if not task["rows"]:
        yield "No run is finished yet."
        return
    everywhere = any("all_target" in row for row in task["rows"])
    headings = [*HEADINGS, *(["All target images"] if everywhere else [])]
    yield f"{task['images'][TARGET]} target and {task['images'][SOURCE]} source test images."
    yield ""
    yield _line(headings)
    yield _line(["---"] * len(headings))
    majority = [_number(task["majority"][domain]) for domain in (TARGET, SOURCE)]
    blank = [NONE] * (len(headings) - 8)
    yield _line(["majority", NONE, majority[0], *[NONE] * 4, majority[1], *blank])
    for row in task["rows"]:
        yield _line([*_cells(row), *([_share(row.get("all_target"))] if everywhere else [])])
    if task["validators"]:
        yield from _validator_lines(task["validators"])
    if task["missing"]:
        yield ""
        yield f"Not finished: {', '.join(task['missing'])}."


def _validator_lines(validators):
    yield from ("", VALIDATORS_INTRODUCTION, "")
    yield _line(["Validator", "Runs", "Mean", "Most"])
    yield _line(["---"] * 4)
    means = {name: statistics.fmean(regret.values()) for name, regret in validators.items()}
    for name in sorted(means, key=means.get):
        regret = validators[name]
        figures = _number(means[name]), _number(max(regret.values()))
        yield _line([f"`{name}`", str(len(regret)), *figures])


def _cells(row):
    target, source, published = row[TARGET], row[SOURCE], row["published"]
    return [
        f"`{row['row']}`",
        str(len(row["seeds"])),
        _share(target),
        _number(published[TARGET]),
        *(_mean(target[name]) for name in FIGURES[1:]),
        _share(source),
        _number(published[SOURCE]),
        *(
            " / ".join(_mean(row[kind][domain]) for domain in DOMAINS)
            for kind in ("edit_success", "sample_success")
        ),
    ]


def _share(figures):
    return _mean(figures and figures["accuracy"])


def _mean(spread) -> str:
    if spread is None:
        return NONE
    deviation = "" if spread["std"] is None else f" ± {spread['std']:.3f}"
    return _number(spread["mean"]) + deviation


def _number(value) -> str:
    return NONE if value is None else f"{value:.3f}"


def _line(cells) -> str:
    return f"| {' | '.join(cells)} |"
