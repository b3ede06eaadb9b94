"""How long a command takes to say something, and training to take its first step.

    python benchmarks/startup.py --out startup.json

Each command is started anew, `--repeats` times; the fastest counts, and the median is beside it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from speed import reporting
from speed.reporting import machine, table
from speed.workers import FOLDER

# What is typed -> the exit code it must give.
COMMANDS = {
    "cdd_keras --help": 0,
    "cdd_keras.train --help": 0,
    "cdd_keras.train": 2,
    "cdd_keras.train --attr eyeglasses --batch-size none": 2,
    "cdd_keras.train --attr eyeglasses --batch-sise 64": 2,
    "cdd_keras.train --attr glasses": 2,
    "cdd_keras.train --attr eyeglasses --data celeba --data-dir nowhere": 2,
    "cdd_keras.evaluate --help": 0,
    "cdd_keras.tune --help": 0,
    "serving.server --help": 0,
    "serving.client --help": 0,
}
COLUMNS = {
    "command": ("command", "s"),
    "fastest": ("fastest, s", ".2f"),
    "median": ("median, s", ".2f"),
    "heavy": ("imports", "s"),
}
# Modules that a command which only talks has no use for.
HEAVY = ("tensorflow", "keras", "numpy")
STAGES = {
    "imported": ("TensorFlow imported", ".1f"),
    "loaded": ("data ready", ".1f"),
    "first": ("first step done", ".1f"),
    "second": ("second step done", ".1f"),
}


def main():
    parser = reporting.parser(__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="starts of each (default 5)")
    parser.add_argument("--command", nargs="*", default=list(COMMANDS), help="of those there are")
    parser.add_argument(
        "--train",
        nargs=argparse.REMAINDER,
        default=["--attr", "eyeglasses"],
        help="flags of the training whose first step is waited for; the last option",
    )
    options = parser.parse_args()
    report = {"machine": machine()}
    report["commands"] = [command_row(line, options.repeats) for line in options.command]
    report["training"] = first_step(options.train)
    reporting.keep(report, options.out)
    print(report["machine"])
    print(table(report["commands"], COLUMNS))
    print(f"seconds to the first step, train {' '.join(options.train)}:")
    print(table([report["training"]], STAGES))


def command_row(line, repeats):
    """Seconds until a command is over, and which heavy modules it imported.

    Raises:
        SystemExit: it gives another exit code than it should.
    """
    module, *arguments = line.split()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        done = run(["-m", module, *arguments])
        seconds.append(time.perf_counter() - start)
        if done.returncode != COMMANDS[line]:
            raise SystemExit(f"{line} gave {done.returncode}: {done.stderr}")
    traced = run(["-X", "importtime", "-m", module, *arguments]).stderr
    imported = {name.split("|")[-1].strip() for name in traced.splitlines()}
    heavy = [name for name in HEAVY if name in imported]
    return {
        "command": line,
        "fastest": min(seconds),
        "median": statistics.median(seconds),
        "heavy": ", ".join(heavy) or "none of them",
    }


def run(arguments):
    return subprocess.run(
        [sys.executable, *arguments], cwd=FOLDER.parent, capture_output=True, text=True
    )


def first_step(flags):
    """Seconds from the start of a training's process to its stages; its data are not cached."""
    script = Path(FOLDER, "speed", "first_step.py")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "CDD_KERAS_CACHE": f"{folder}/cache"}
        environment["PYTHONPATH"] = str(FOLDER.parent)
        done = subprocess.run(
            [sys.executable, script, repr(time.time()), *flags, "--output", f"{folder}/run"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
