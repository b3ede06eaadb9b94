"""Where the list of models comes from: a folder of models, one model's folder, or a file."""

import os
from collections.abc import Iterable
from pathlib import Path

from serving.cli import UsageError
from serving.config_files import read_model_config
from serving.models import PLATFORM
from serving.options import Options
from serving.versions import find_versions


def configured_models(options: Options, known: Iterable = ()) -> list:
    """The `ModelConfig`s that the options ask for, as things stand now.

    Args:
        options: the server's.
        known: those there were before. Of a folder of models, none is taken off the list because
            its own folder has vanished.

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
    found = {name for name in _names(base) if find_versions(str(base / name))}
    configs = [_config(n, base / n) for n in sorted(found | {one.name for one in known})]
    if not configs:
        raise UsageError(f"--model-base-path: no NAME/VERSION/ folders in {base}.")
    return configs


def _names(base):
    try:
        return sorted(entry.name for entry in os.scandir(base) if entry.is_dir())
    except OSError:
        return []


def _config(name, path):
    from tensorflow_serving.config import model_server_config_pb2

    return model_server_config_pb2.ModelConfig(
        name=name, base_path=str(path), model_platform=PLATFORM
    )
