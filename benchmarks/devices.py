"""How far several devices end from one: the table of docs/devices.md.

    python benchmarks/devices.py --out devices.json [--trainings cdd-adam cdd-sgd]

Tiny networks, 20 steps of batch 32 in float32, on one device, on two logical CPUs, in two
processes, and on one device with other kernels. METHOD-adam is with the method's own optimisers,
METHOD-sgd with SGD at 1e-3; behind it may stand a setting that is on, like -exact_sums.
"""

import tempfile

from side_by_side import MIRRORED, MULTIWORKER, ONE, PLACES, PLAIN, arrays, norms_apart, train
from speed import reporting
from speed.reporting import machine, table

TRAININGS = (
    *("acgan-adam", "dann-adam", "dann-sgd", "cdd_paper-adam", "cdd_paper-sgd"),
    *("cdd-adam", "cdd-sgd", "cdd-adam-exact_sums", "cdd-sgd-exact_sums"),
)
COLUMNS = {
    "training": ("training", "s"),
    **{place: (place, ".1e") for place in (MIRRORED, MULTIWORKER, PLAIN)},
}


def main():
    parser = reporting.parser(__doc__)
    parser.add_argument("--trainings", nargs="+", default=TRAININGS, metavar="METHOD-OPTIMISER")
    options = parser.parse_args()
    report = {"machine": machine(), "relative_difference_of_norms": []}
    for training in options.trainings:
        with tempfile.TemporaryDirectory() as folder:
            found = train(folder, {place: [training] for place in PLACES})
            weights = {place: arrays(found[place], training)[1] for place in PLACES}
        row = {place: norms_apart(weights[ONE], weights[place]) for place in PLACES if place != ONE}
        report["relative_difference_of_norms"].append({"training": training, **row})
        print(table(report["relative_difference_of_norms"][-1:], COLUMNS), flush=True)
    reporting.keep(report, options.out)
    print(report["machine"])
    print(table(report["relative_difference_of_norms"], COLUMNS))


if __name__ == "__main__":
    main()
