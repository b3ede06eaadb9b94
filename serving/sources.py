"""Where the models come from: a folder of models, one model's folder, or a file that lists them."""

import logging
import os
import threading
from pathlib import Path

import grpc

from serving.cli import UsageError
from serving.config_files import read_model_config
from serving.errors import ServingError, StartError
from serving.model_lists import PLATFORM
from serving.models import Models
from serving.options import Options
from serving.versions import find_versions

log = logging.getLogger(__name__)


class ModelSource:
    """Keeps models as the options have them, and as HandleReloadConfig has changed them since.

    Args:
        options: the server's.
        models: those it keeps.
    """

    def __init__(self, options: Options, models: Models):
        self._options = options
        self._models = models
        # What folder or file said when last looked at.
        self._listed: list = []
        self._problem: str | None = None
        self._ending = threading.Event()

    def load(self) -> None:
        """Loads them for the first time.

        Raises:
            UsageError: the list is wrong.
            StartError: none of them can be loaded.
        """
        self._listed = configured_models(self._options)
        try:
            self._models.configure(self._listed)
        except ServingError as error:
            if error.code is grpc.StatusCode.INVALID_ARGUMENT:
                raise UsageError(error.message) from error
            if not any(self._models.available().values()):
                raise StartError(error.message) from error
            # What could be loaded is served; each failure is in the log and in GetModelStatus.
            log.error("%s", error.message)

    def watch(self) -> None:
        """Looks for changes from now on, as often as the options say."""
        self._repeat(self._options.file_system_poll_wait_seconds, self._look_at_folders)
        if self._options.model_config_file:
            self._repeat(self._options.model_config_file_poll_wait_seconds, self._look_at_file)

    def close(self) -> None:
        """Looks no more; a load that is under way goes on."""
        self._ending.set()

    def _look_at_folders(self):
        if self._options.model_base_path and not self._options.model_name:
            self._told_once(self._add_new_folders)
        self._models.poll()

    def _look_at_file(self):
        self._told_once(self._take_changed_list)

    def _add_new_folders(self):
        # A model whose folder has vanished stays on the list, and is served.
        known = {config.name for config in self._listed}
        new = [one for one in configured_models(self._options) if one.name not in known]
        self._listed += new
        if new:
            self._models.add(new)

    def _take_changed_list(self):
        found = configured_models(self._options)
        if found != self._listed:
            self._listed = found
            self._models.configure(found)

    def _told_once(self, change):
        problem = None
        try:
            change()
        except (UsageError, ServingError) as error:
            problem = str(error)
        # And not at every look.
        if problem and problem != self._problem:
            log.error("%s", problem)
        self._problem = problem

    def _repeat(self, seconds, look):
        if not seconds:
            return

        def work():
            while not self._ending.wait(seconds):
                try:
                    look()
                except Exception:
                    # A thread that dies would leave the server on its old versions for good.
                    log.exception("looking for models failed")

        threading.Thread(target=work, name="watch", daemon=True).start()


def configured_models(options: Options) -> list:
    """The `ModelConfig`s that the options ask for, as things stand now.

    Raises:
        UsageError: the file cannot be read, or the folder holds no model.
    """
    if options.model_config_file:
        return list(read_model_config(options.model_config_file).model_config_list.config)
    base = Path(options.model_base_path).absolute()
    if options.model_name:
        return [_config(options.model_name, base)]
    if find_versions(str(base)):
        raise UsageError(
            f"--model-base-path: {base} is one model's folder; give the folder above it, or its "
            "name with --model-name."
        )
    found = [name for name in _names(base) if find_versions(str(base / name))]
    configs = [_config(name, base / name) for name in found]
    if not configs:
        raise UsageError(f"--model-base-path: no NAME/VERSION/ folders in {base}.")
    return configs


def _names(base):
    try:
        folders = [entry.name for entry in os.scandir(base) if entry.is_dir()]
    except OSError:
        return []
    # Hidden ones are somebody's way of putting things aside.
    return sorted(name for name in folders if not name.startswith("."))


def _config(name, path):
    from tensorflow_serving.config import model_server_config_pb2

    return model_server_config_pb2.ModelConfig(
        name=name, base_path=str(path), model_platform=PLATFORM
    )
