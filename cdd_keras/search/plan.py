"""What is searched, by what and where; kept in the search's folder so that it can go on."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from cdd_keras import yaml_text
from cdd_keras.config import Config
from cdd_keras.errors import CddError, UsageError
from cdd_keras.files import is_leftover, write_json, write_text
from cdd_keras.runs import RunFolder
from cdd_keras.search.objectives import Objective
from cdd_keras.search.space import Space

TUNERS = ("bayesian", "hyperband", "random")


@dataclass(frozen=True)
class SearchFolder:
    """Where the files of a search are."""

    path: Path

    @property
    def plan(self) -> Path:
        return self.path / "search.yaml"

    @property
    def base(self) -> Path:
        return self.path / "base.yaml"

    @property
    def finished(self) -> Path:
        """The mark that a chief leaves when all trials have ended."""
        return self.path / "finished.json"

    @property
    def oracle(self) -> Path:
        """KerasTuner's own state."""
        return self.path / "oracle"

    @property
    def trials(self) -> Path:
        return self.path / "trials"

    def trial(self, name: str) -> RunFolder:
        """The run folder of a trial."""
        return RunFolder(self.trials / name)

    @property
    def judge(self) -> Path:
        return self.path / "judge"

    @property
    def results(self) -> Path:
        return self.path / "results.csv"

    @property
    def best(self) -> Path:
        return self.path / "best.yaml"

    @property
    def importance(self) -> Path:
        return self.path / "importance.json"

    @property
    def picture(self) -> Path:
        return self.path / "parallel-coordinates.png"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"


@dataclass(frozen=True)
class Plan:
    """A search.

    Attributes:
        config: the base configuration, which is also the first trial.
        space: what varies.
        objective: what is maximised.
        tuner: one of `TUNERS`.
        max_trials: how many trials, failed ones included.
        folder: where it is kept.
    """

    config: Config
    space: Space
    objective: Objective
    tuner: str
    max_trials: int
    folder: SearchFolder

    def describe(self) -> dict:
        """What makes it this search and no other, as plain values."""
        return {
            "tuner": self.tuner,
            "objective": str(self.objective),
            "max_trials": self.max_trials,
            "space": [_plain(one) for one in self.space.dimensions],
        }

    def check_folder(self, resume: bool, overwrite: bool) -> None:
        """Refuses a folder that cannot be searched in; nothing is written or deleted.

        Raises:
            UsageError: it is not empty and neither `resume` nor `overwrite` is asked, or it holds
                another search; what differs is named.
        """
        path = self.folder.path
        if path.exists() and not path.is_dir():
            raise UsageError(f"`--directory` is a file: {path}. Expected a folder.")
        if not self._is_begun():
            return
        if resume:
            self.check_same()
        elif overwrite:
            # What is overwritten must have been a search: a mistyped path is not to be emptied.
            self._check_search()
        else:
            raise UsageError(
                f"`--directory` is not empty: {path}. Add --resume to go on with the search, "
                "--overwrite to replace it, or name another folder."
            )

    def prepare(self, resume: bool, overwrite: bool) -> None:
        """Makes the folder ready to search in, emptied if it is overwritten.

        Raises:
            UsageError: as `check_folder`.
            CddError: it cannot be written.
        """
        self.check_folder(resume, overwrite)
        path = self.folder.path
        try:
            if overwrite and self._is_begun():
                self._empty()
            path.mkdir(parents=True, exist_ok=True)
            self.folder.finished.unlink(missing_ok=True)
            write_text(self.folder.base, self.config.to_yaml())
            # Last: a folder that has it is a search.
            write_text(self.folder.plan, yaml_text.dump(self.describe()))
        except OSError as error:
            raise CddError(f"{path} cannot be written: {error.strerror}.") from error

    def check_same(self) -> None:
        """Refuses a folder that is no search, or another one; more trials are no difference.

        Raises:
            UsageError: it is not this search; what differs is named.
        """
        self._check_search()
        if not self.folder.base.is_file():
            raise UsageError(
                f"{self.folder.path} was being overwritten when that was stopped: it has no "
                "base.yaml. Add --overwrite, or name another --directory."
            )
        before = self._read()
        now = yaml_text.load(yaml_text.dump(self.describe()))
        changed = [name for name in now if name != "max_trials" and now[name] != before.get(name)]
        old, new = asdict(Config.from_file(self.folder.base)), asdict(self.config)
        changed += [name for name in new if new[name] != old[name]]
        if changed:
            raise UsageError(
                f"the search in {self.folder.path} is another one: {', '.join(changed)} changed. "
                f"Resume it with what it began with, which is in {self.folder.base.name} (for "
                f"--config) and {self.folder.plan.name}, or name another --directory."
            )

    def mark_finished(self) -> None:
        """Leaves the mark that all trials have ended."""
        write_json(self.folder.finished, {"max_trials": self.max_trials})

    def is_finished(self) -> bool:
        """Whether the mark of a search of at least as many trials is there."""
        mark = self.folder.finished
        return mark.is_file() and json.loads(mark.read_text())["max_trials"] >= self.max_trials

    def _is_begun(self) -> bool:
        folder = self.folder.path
        return folder.is_dir() and not all(map(self._is_leftover, folder.iterdir()))

    def _is_leftover(self, path: Path) -> bool:
        """Whether a file is what a kill in `prepare` leaves, which is no search yet."""
        if path == self.folder.base:
            # Another's base.yaml is not to be lost.
            return path.read_bytes() == self.config.to_yaml().encode()
        return is_leftover(path)

    def _empty(self) -> None:
        """Deletes the search: first what `check_same` needs, last what `_check_search` needs."""
        self.folder.base.unlink(missing_ok=True)
        for path in self.folder.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path != self.folder.plan:
                path.unlink()
        self.folder.plan.unlink()

    def _read(self) -> dict:
        path = self.folder.plan
        try:
            content = yaml_text.load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
            raise UsageError(f"{path} cannot be read: {yaml_text.describe(error)}.") from error
        if not isinstance(content, dict):
            raise UsageError(
                f"{path} is damaged: it holds no settings. Add --overwrite to search anew, or name "
                "another --directory."
            )
        return content

    def _check_search(self) -> None:
        if not self.folder.plan.is_file():
            raise UsageError(
                f"{self.folder.path} is not the folder of a search: it has no search.yaml. "
                "Expected what `python -m cdd_keras.tune` wrote."
            )


def _plain(dimension) -> dict:
    described = {key: value for key, value in asdict(dimension).items() if value not in (None, ())}
    if dimension.values is not None:
        described["values"] = list(dimension.values)
    described["when"] = {name: list(values) for name, values in dimension.when}
    return described
