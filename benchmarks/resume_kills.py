"""A training killed many times, at random moments, ends as one that was left alone.

    python benchmarks/resume_kills.py --out kills.json [--kills 30] [-- --steps 200 ...]

What stands behind `--` are flags of `cdd_keras.train`; without any it is the default training.
Every sixth kill comes while a checkpoint is being written, the others at steps and parts of a
second drawn from a seed. Exit code 1 if weights, metrics, pictures or report differ in a bit.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from killing import Training, digest, figures, pictures, report

from cdd_keras import checkpoints
from cdd_keras.runs import RunFolder

DEFAULT = ["--attr", "eyeglasses", "--checkpoint-seconds", "5"]
IN_A_SAVE = 6
# The default training took five minutes and more on a busy machine.
WHOLE_SECONDS = 3600


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, metavar="FILE", help="JSON of what happened")
    parser.add_argument("--kills", type=int, default=30, help="SIGKILLs (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    parser.add_argument("flags", nargs="*", help="of the training")
    options = parser.parse_args()
    flags = options.flags or DEFAULT
    with tempfile.TemporaryDirectory() as folder:
        alone = Training(flags, Path(folder) / "alone")
        expect_done(alone)
        steps = alone.folder.read_config().steps
        killed = RunFolder(Path(folder) / "killed")
        kills = kill_often(flags, killed, steps, options)
        last = Training([*flags, "--resume"], killed.path)
        expect_done(last)
        equal = {
            "weights": digest(alone.folder, steps) == digest(killed, steps),
            "metrics": figures(alone.folder) == figures(killed),
            "pictures": pictures(alone.folder) == pictures(killed),
            "report": report(alone.folder) == report(killed),
        }
        result = {
            "flags": flags,
            "seed": options.seed,
            "environment": json.loads((killed.path / "environment.json").read_text()),
            "kills": kills,
            "finished_from": last.resumed_at,
            "weights": {"alone": digest(alone.folder, steps), "killed": digest(killed, steps)},
            "pictures": {"alone": pictures(alone.folder), "killed": pictures(killed)},
            "equal": equal,
        }
    Path(options.out).write_text(json.dumps(result, indent=1) + "\n")
    print(f"after {len(kills)} kills, equal to the last bit: {equal}")
    return 0 if all(equal.values()) else 1


def expect_done(training):
    code, said = training.finish(WHOLE_SECONDS)
    if code:
        sys.exit(f"the training failed with {code}:\n{said}")


def kill_often(flags, folder, steps, options):
    """Starts and kills the training; a row a kill: how, where it began, what it left."""
    draws = np.random.default_rng(options.seed)
    moments = np.sort(draws.integers(1, round(0.95 * steps), options.kills))
    rows = []
    for number, moment in enumerate(moments):
        training = Training([*flags, *(["--resume"] if rows else [])], folder.path)
        training.wait_for_step(moment)
        in_a_save = number % IN_A_SAVE == IN_A_SAVE - 1 and training.kill_in_a_save()
        if not in_a_save:
            time.sleep(draws.uniform(0, 2))
            training.end(signal.SIGKILL)
        row = {
            "in_a_save": in_a_save,
            "began_at": training.resumed_at if rows else 0,
            "newest_checkpoint": checkpoints.steps(folder.checkpoints)[-1],
        }
        rows.append(row)
        print(f"kill {number + 1}: {row}", flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
