"""Options, machine, versions and tables of a benchmark."""

import argparse
import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from cdd_keras.files import write_json
from speed.workers import FOLDER

PACKAGES = ("tensorflow", "keras", "numpy")


def parser(description):
    """A parser with `--out`, described by the first line of a module's docstring."""
    made = argparse.ArgumentParser(description=description.splitlines()[0])
    made.add_argument("--out", required=True, metavar="FILE", help="JSON of all figures")
    return made


def keep(report, path):
    """Writes a report, with the load there is now beside that of its `machine` before."""
    report["machine"]["load_after"] = round(os.getloadavg()[0], 2)
    write_json(path, report)


def machine(packages=PACKAGES):
    """What figures depend on, versions of `packages` too, and what else ran: {name: value}."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=FOLDER, capture_output=True, text=True
    ).stdout.strip()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "commit": commit,
        "time": time.strftime("%Y-%m-%d %H:%M"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def table(rows, columns):
    """Rows under headings, numbers to the right.

    Args:
        rows: dicts.
        columns: {key: (heading, format)}, such as {"ms": ("ms a step", ".1f")}; what a row lacks
            is a dash.
    """
    cells = [[heading for heading, _ in columns.values()]]
    for row in rows:
        cells.append([_cell(row.get(key), shape) for key, (_, shape) in columns.items()])
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    numeric = [any(isinstance(row.get(key), int | float) for row in rows) for key in columns]
    return "\n".join(
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in cells
    )


def _cell(value, shape):
    return "-" if value is None else format(value, shape)
