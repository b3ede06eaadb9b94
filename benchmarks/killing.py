"""Trainings in processes of their own, stopped at chosen moments, and what they left."""

import hashlib
import json
import re
import signal
import subprocess
import sys
import time

import h5py
import numpy as np

from cdd_keras import checkpoints
from cdd_keras.files import leftovers
from cdd_keras.runs import RunFolder

DEADLINE = 300
STEP = re.compile(r"step (\d+)/")
RESUMED = re.compile(r"resumed at step (\d+)")
# A command that may write no file of more than so many bytes, as if the disk were full.
LIMITED = (
    "import resource, sys; from cdd_keras import cli, train; "
    "limit = int(sys.argv.pop(1)); resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)); "
    "sys.exit(cli.main(train.run))"
)


class Training:
    """A running `python -m cdd_keras.train`.

    Args:
        arguments: of the command.
        output: the run folder.
        limit: bytes that a file may have at most; None: as many as it likes.
    """

    def __init__(self, arguments, output, limit=None):
        self.folder = RunFolder(output)
        module = ["-m", "cdd_keras.train"] if limit is None else ["-c", LIMITED, str(limit)]
        command = [sys.executable, *module, *arguments, "--output", str(output)]
        self.lines = []
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )

    def wait_for_step(self, step):
        """Reads on until the training says it is as far, and has something to go on from."""
        for line in self.process.stderr:
            self.lines.append(line)
            found = STEP.match(line)
            if found and int(found[1]) >= step and checkpoints.steps(self.folder.checkpoints):
                return
        raise AssertionError(f"ended before step {step}:\n{''.join(self.lines)}")

    def end(self, number):
        """Sends a signal; gives the exit code and what was said since the beginning."""
        self.process.send_signal(number)
        return self.finish()

    def kill_in_a_save(self):
        """SIGKILL while a checkpoint is half written; says whether the run lived to see it."""
        deadline = time.monotonic() + DEADLINE
        while self.process.poll() is None and time.monotonic() < deadline:
            if leftovers(self.folder.checkpoints):
                # It may be whole by the time it is stopped.
                self.process.send_signal(signal.SIGSTOP)
                if leftovers(self.folder.checkpoints):
                    self.end(signal.SIGKILL)
                    return True
                self.process.send_signal(signal.SIGCONT)
        return False

    def finish(self, seconds=DEADLINE):
        """Waits for the end, so long at most; gives the exit code and all that was said."""
        rest = self.process.communicate(timeout=seconds)[1]
        self.lines.append(rest)
        return self.process.returncode, "".join(self.lines)

    @property
    def resumed_at(self):
        """The step it said that it goes on from."""
        return int(RESUMED.search("".join(self.lines))[1])


def digest(folder, step):
    """SHA-256 of a checkpoint's numbers, but for how long they took."""
    hashed = hashlib.sha256()

    def add(name, item):
        if isinstance(item, h5py.Dataset) and not name.endswith("seconds"):
            hashed.update(name.encode() + np.asarray(item).tobytes())

    with h5py.File(checkpoints.path_of(folder.checkpoints, step)) as file:
        file.visititems(add)
    return hashed.hexdigest()


def figures(folder):
    """The rows of metrics.jsonl but for their times, as text."""
    return [json.dumps({**row, "seconds": None}) for row in folder.read_rows()]


def pictures(folder):
    """Name -> SHA-256 of every picture."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.samples.glob("*.png"))
    }


def report(folder):
    """What report.json says but for times."""
    found = json.loads(folder.report.read_text())
    return {**found, "seconds": None, "images_per_second": None}
