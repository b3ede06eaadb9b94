"""What the pages of the documentation hold, and running it as it is written."""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from cdd_keras import cli as cdd_cli
from serving import cli as serving_cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TINY = [
    *("--batch-size", "4", "--image-size", "16", "--channels", "2"),
    *("--discriminator-channels", "2", "--code-size", "2", "--synthetic-count", "60"),
    *("--evaluate-every", "1", "--edit-start", "0", "--precision", "float32"),
]
SMALL = ["--steps", "4", *TINY]
# The data are read whatever is trained on them; one page trains the default method.
CHEAP = ["--method", "source_only"]
# A search goes through its trials whatever is trained in them.
SEARCH = ["--steps-per-trial", "4", *TINY, *CHEAP, "--objective", "infomax", "--max-trials", "2"]
# README's two commands do their own set-up; what they run is what the other pages run.
RUN = ("python -m cdd_keras.", "python -m serving.", "curl ", "sed ")
PATTERN = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page, *languages):
    """(language, content) of a page's code blocks of some languages, in order."""
    found = PATTERN.findall(page.read_text())
    return [(kind, body) for kind, body in found if kind in languages]


def commands(body):
    """The lines of a block of shell commands that are run."""
    lines = re.sub(r"\\\n\s*", "", body).splitlines()
    return [line for line in lines if line.startswith(RUN)]


def is_served(page):
    """Whether a page starts a server."""
    return any("python -m serving.server" in body for _, body in blocks(page, "bash"))


def run_cdd(line):
    """Runs a command of cdd_keras as it stands, a training with flags that make it small."""
    _, _, module, *arguments = shlex.split(line)
    if module == "cdd_keras.train":
        arguments += SMALL
        if "runs/first" not in arguments:
            arguments += CHEAP
    elif module == "cdd_keras.reproduce":
        arguments += SMALL
    elif module == "cdd_keras.tune":
        arguments += SEARCH
    # The run that most pages begin with is trained once, and exported once.
    if line.endswith(" --output runs/first") and Path("runs/first").exists():
        return 0
    if line.endswith(" runs/first --out models") and Path("models").exists():
        return 0
    return cdd_cli.main(importlib.import_module(module).run, arguments)


class Served:
    """Runs what a page with a server says, the server on free ports; use it in a `with`."""

    def __init__(self):
        self.process = None
        self.places = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            self.process.communicate(timeout=60)

    def run(self, line):
        """Runs a line of shell; gives what it printed where it is run by the shell."""
        if line.startswith("python -m cdd_keras."):
            assert run_cdd(line) == 0, line
        elif line.startswith("python -m serving.server"):
            self.start(shlex.split(line))
        elif line.startswith("python -m serving.client"):
            from serving.client.__main__ import run

            arguments = shlex.split(self.placed(line))[3:]
            if "--server" not in arguments:
                arguments += ["--server", self.places["localhost:8500"]]
            assert serving_cli.main(run, arguments) == 0, line
        else:
            words = ["bash", "-o", "pipefail", "-c", self.placed(line)]
            found = subprocess.run(words, capture_output=True, text=True, check=False)
            assert found.returncode == 0, f"{line}\n{found.stdout}{found.stderr}"
            return found.stdout
        return ""

    def start(self, words):
        """Starts the server of a page, and waits until it is ready."""
        flags = ["--host", "localhost", "--port", "0", "--rest-port", "0"]
        self.process = subprocess.Popen(
            [sys.executable, *words[1:], *flags],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line == "ready\n":
                break
        text = "".join(lines)
        grpc, rest = (re.search(pattern, text) for pattern in (r"gRPC on (\S+)", r"http://([^/]+)"))
        assert grpc, text
        self.places = {"localhost:8500": grpc[1], "localhost:8501": rest[1]}

    def placed(self, text):
        """The text with the addresses that the server really has."""
        for usual, place in self.places.items():
            text = text.replace(usual, place)
        return text

    def run_page(self, page):
        """Runs commands and Python in order; JSON is what the command before it answers."""
        names, answer = {}, ""
        for kind, body in blocks(page, "bash", "python", "json"):
            if kind == "json":
                assert json.loads(answer) == json.loads(body)
            elif kind == "python":
                exec(compile(self.placed(body), str(page), "exec"), names)
            else:
                for line in commands(body):
                    answer = self.run(line)
