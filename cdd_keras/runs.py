"""The run folder: what a training leaves, and how the other commands find it again."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cdd_keras.config import Config
from cdd_keras.data.attributes import Attribute
from cdd_keras.errors import CddError, UsageError
from cdd_keras.files import is_leftover, remove_leftovers, write_json, write_text
from cdd_keras.metrics.selection import Evaluation

PACKAGES = ("cdd-keras", "tensorflow", "keras", "numpy")


@dataclass(frozen=True)
class RunFolder:
    """Where the files of a run are."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def labels(self) -> Path:
        return self.path / "labels.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def report(self) -> Path:
        return self.path / "report.json"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def judges(self) -> Path:
        return self.path / "judges"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    def read_config(self) -> Config:
        """The configuration of the run.

        Raises:
            UsageError: the folder is not that of a run.
        """
        if not self.config.is_file():
            raise UsageError(
                f"{self.path} is not a run folder: it has no config.yaml. "
                "Expected what `python -m cdd_keras.train` wrote."
            )
        return Config.from_file(self.config)

    def write_labels(self, pair) -> None:
        """Keeps what labels mean and how the domains are called."""
        attribute = pair.attribute
        write_json(
            self.labels,
            {
                "attribute": attribute.name,
                "values": list(attribute.values),
                "domains": dict(pair.names),
            },
        )

    def read_labels(self) -> tuple[Attribute, dict[str, str]]:
        """The attribute and {domain: its name}."""
        try:
            stored = json.loads(self.labels.read_text())
            attribute = Attribute(stored["attribute"], tuple(stored["values"]))
            return attribute, stored["domains"]
        except (OSError, ValueError, KeyError) as error:
            raise CddError(f"{self.labels} cannot be read: {error}.") from error

    def read_rows(self) -> list[dict]:
        """The rows of metrics.jsonl; a last row cut off by a kill is left out."""
        if not self.metrics.is_file():
            return []
        rows = []
        for line in self.metrics.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
        return rows

    def write_rows(self, rows: list[dict]) -> None:
        """Replaces metrics.jsonl."""
        write_text(self.metrics, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))

    def write_environment(self) -> None:
        """Keeps versions, machine and commit."""
        write_json(
            self.path / "environment.json",
            {
                "command": sys.argv,
                "python": platform.python_version(),
                "packages": {name: _version(name) for name in PACKAGES},
                "machine": {
                    "system": platform.platform(),
                    "processor": _processor(),
                    "cores": os.cpu_count(),
                },
                "commit": _commit(),
                "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            },
        )


def choose_folder(config: Config, resume: bool, overwrite: bool) -> RunFolder:
    """The run folder of a training about to start; nothing is written or deleted yet.

    Raises:
        UsageError: it is not empty and neither `resume` nor `overwrite` is asked, or what is to
            be resumed is no run or has another configuration; the fields are named.
        CddError: it cannot be written.
    """
    default = f"runs/{config.attr}-{config.method}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = RunFolder(Path(config.output or default))
    if folder.path.exists() and not folder.path.is_dir():
        raise UsageError(f"`output` is a file: {folder.path}. Expected a folder.")
    if _is_filled(folder):
        _check_use(folder, config, resume, overwrite)
    place = next(one for one in (folder.path, *folder.path.absolute().parents) if one.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise CddError(f"{folder.path} cannot be written: {place} is no folder to write to.")
    return folder


def prepare_run(config: Config, resume: bool, overwrite: bool) -> RunFolder:
    """The run folder, emptied if it is overwritten, with configuration and environment.

    To be called when nothing that may be wrong with the data can stop the training any more: an
    old run is lost here, and a new folder is one that only `resume` goes on with.

    Raises:
        UsageError, CddError: as `choose_folder`.
    """
    folder = choose_folder(config, resume, overwrite)
    filled = _is_filled(folder)
    try:
        if filled and not resume:
            shutil.rmtree(folder.path)
        folder.path.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder.path)
        resumed = filled and resume
        # Of a folder that was copied or moved, the configuration names the place it was in.
        if not resumed or folder.read_config().output != str(folder.path):
            write_text(folder.config, config.replace(output=str(folder.path)).to_yaml())
        if not resumed:
            folder.write_environment()
    except OSError as error:
        raise CddError(f"{folder.path} cannot be written: {error.strerror}.") from error
    return folder


def evaluations(rows: list[dict]) -> list[Evaluation]:
    """The rows of metrics.jsonl as the evaluations that a pick is made from."""
    return [
        Evaluation(
            row["step"],
            row["label_free"],
            {"source": row["source"], "target": row["target"]},
            row.get("settled", True),
        )
        for row in rows
    ]


def _is_filled(folder: RunFolder) -> bool:
    # A kill while the configuration was written left no run yet.
    return folder.path.is_dir() and not all(map(is_leftover, folder.path.iterdir()))


def _check_use(folder: RunFolder, config: Config, resume: bool, overwrite: bool) -> None:
    """Checks that a folder with something in it may be gone on with or replaced."""
    if resume:
        _check_same(folder, config)
    elif overwrite:
        # What is overwritten must have been a run: a mistyped path is not to be emptied.
        folder.read_config()
    else:
        raise UsageError(
            f"`output` is not empty: {folder.path}. "
            "Add --resume to go on with it, --overwrite to replace it, or name another folder."
        )


def _check_same(folder: RunFolder, config: Config) -> None:
    before, now = asdict(folder.read_config()), asdict(config)
    changed = [name for name in now if name != "output" and now[name] != before[name]]
    if changed:
        shown = ", ".join(f"`{name}` {before[name]!r} -> {now[name]!r}" for name in changed)
        raise UsageError(
            f"The run in {folder.path} has another configuration: {shown}. "
            "Resume it with the settings it began with, or name another --output."
        )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str | None:
    """The commit of the source tree this runs from, if it is one.

    A package installed inside another project's tree has no commit: that of the project says
    nothing about it.
    """
    root = Path(__file__).resolve().parents[1]
    try:
        result = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        # Without git, outside any tree, or before its first commit.
        return None
    top, commit = result.stdout.splitlines()
    return commit if Path(top).resolve() == root else None
