"""How the memory of a training grows with its steps.

    python benchmarks/memory.py --out memory.json [--steps 10000] [-- --method dann ...]

What stands behind `--` are flags of `cdd_keras.train`; without any it is `cdd` with tiny networks,
whose steps are many in little time. The memory is the process's resident set after each of 20
evaluations. With those networks the first has made all graphs that training needs; flags that begin
a phase after it add what that one needs.
"""

import re
import sys
import tempfile
from pathlib import Path

from killing import Training
from speed import reporting
from speed.reporting import machine, table
from speed.timing import held

TINY = (
    *("--attr", "eyeglasses", "--synthetic-count", "400", "--precision", "float32"),
    *("--image-size", "16", "--batch-size", "8", "--channels", "4", "--code-size", "4"),
    *("--discriminator-channels", "4", "--edit-start", "0"),
)
EVALUATIONS = 20
EVALUATED = re.compile(r"evaluated at step (\d+)")
COLUMNS = {"step": ("step", "d"), "resident": ("resident MiB", ".1f"), "more": ("more", ".1f")}


def main():
    parser = reporting.parser(__doc__)
    parser.add_argument("--steps", type=int, default=10_000, help="of training (default 10000)")
    parser.add_argument("flags", nargs="*", help="of the training")
    options = parser.parse_args()
    before = machine()
    rows = measured([*(options.flags or TINY), "--steps", str(options.steps)])
    report = {"machine": before, "rows": rows, "grown": max(row["more"] for row in rows)}
    reporting.keep(report, options.out)
    print(before)
    print(table(rows, COLUMNS))


def measured(flags):
    """A row an evaluation: its step, the MiB then resident, and how many more than at the first."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        every = ["--evaluate-every", str(1 / EVALUATIONS)]
        training = Training([*flags, *every], Path(folder) / "run")
        for line in training.process.stderr:
            training.lines.append(line)
            if found := EVALUATED.match(line):
                resident = sum(held(training.process.pid).values())
                more = resident - rows[0]["resident"] if rows else 0.0
                rows.append({"step": int(found[1]), "resident": resident, "more": more})
        code, said = training.finish()
    if code:
        sys.exit(f"the training failed with {code}:\n{said}")
    return rows


if __name__ == "__main__":
    main()
