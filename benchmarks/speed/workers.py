"""Processes that measure, each with one case, so that memory is its own and rounds interleave.

Requests and answers are lines of JSON: {"do": name, ...} -> what the method of that name returns.
"""

import contextlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

# benchmarks/
FOLDER = Path(__file__).resolve().parent.parent


class Worker:
    """A process that `serve`s; use it in a `with`.

    Args:
        module: run with -m from benchmarks/.
        interpreter: the Python to run it with.
        environment: variables beside those of this process.

    Raises:
        RuntimeError: from a call: the process failed; what it wrote is on stderr.
    """

    def __init__(self, module, interpreter=sys.executable, environment=None):
        root = FOLDER.parent
        paths = [str(root), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        self.name = module
        self.process = subprocess.Popen(
            [interpreter, "-m", module],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                **(environment or {}),
            },
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def call(self, do, **request):
        """The answer to one request."""
        try:
            print(json.dumps({"do": do, **request}), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"{self.name} failed at {do!r}; its error stands above.")
        return json.loads(line)


def serve(handler):
    """Answers requests with the handler's methods until no more come."""
    # What libraries print must not come between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(handler, request.pop("do"))(request)
        except Exception:
            traceback.print_exc()
            raise SystemExit(1) from None
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(answer), file=answers, flush=True)
