"""Puts versions in place: `OUT/cdd_classifier/N` and `OUT/cdd_generator/N`."""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import keras

from cdd_keras.domains import DOMAINS
from cdd_keras.errors import CddError, UsageError
from cdd_keras.inference import refusal
from cdd_keras.savedmodel.card import model_card, write_card
from cdd_keras.savedmodel.endpoints import classifier_endpoints, generator_endpoints
from cdd_keras.savedmodel.parity import check_parity
from cdd_keras.savedmodel.warmup import write_warmup

CLASSIFIER, GENERATOR = "cdd_classifier", "cdd_generator"
EXTRA = "assets.extra"


def export_run(run, out: Path, version: int | None, say) -> list[Path]:
    """Writes the SavedModels of a run and publishes them when all of them are right.

    A version appears by one rename: a server that watches the folder meets it whole or not at
    all.

    Args:
        run: an `OpenRun`.
        out: folder of the models.
        version: number of the version; None: the next one.
        say: called with a line for the person watching.

    Returns:
        The folders published.

    Raises:
        UsageError: the version is there already, or the method does not read both domains.
        CddError: an export differs from its run, or cannot be written.
    """
    models = _models(run, say)
    folders = {name: out / name for name in models}
    number = choose_version(folders.values(), version)
    with ExitStack() as stack:
        written = {}
        for name, endpoints in models.items():
            place = stack.enter_context(_aside(folders[name]))
            _write(run, name, endpoints, place)
            say(f"{name}: comparing {len(endpoints)} signatures with the run")
            check_parity(run, endpoints, place)
            written[name] = place
        return [_publish(place, folders[name] / str(number)) for name, place in written.items()]


def _models(run, say) -> dict[str, dict]:
    """{name: endpoints} of what the run's method can do in both domains, as a server's clients ask.

    Raises:
        UsageError: it cannot even read both.
    """
    model = run.model
    if not all(map(model.can_read, DOMAINS)):
        raise refusal(run, f"reads {' and '.join(model.traits.reads)} images alone: no export")
    models = {CLASSIFIER: classifier_endpoints(run)}
    if model.traits.shows_values and all(map(model.can_sample, DOMAINS)):
        models[GENERATOR] = generator_endpoints(run)
    elif model.has_generator:
        say(f"no {GENERATOR}: method {run.config.method} draws without a value of choice")
    return models


def choose_version(folders, version: int | None) -> int:
    """The version to write: the one asked for, or one above all there are.

    Raises:
        UsageError: the one asked for is taken.
    """
    taken = {
        int(entry.name)
        for folder in folders
        if folder.is_dir()
        for entry in folder.iterdir()
        if entry.name.isdecimal()
    }
    if version is None:
        return max(taken, default=0) + 1
    if version in taken:
        raise UsageError(
            f"`--version` {version} is there already. A version is never replaced; leave "
            f"--version out for the next one, {max(taken) + 1}."
        )
    return version


def _aside(folder: Path):
    # Beside its place, so that the rename stays in one file system; no number, so that no server
    # takes it for a version.
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=folder, prefix=".writing-")
    except OSError as error:
        raise CddError(f"{folder} cannot be written to: {error.strerror}.") from error


def _write(run, name, endpoints, folder):
    archive = keras.export.ExportArchive()
    for signature, endpoint in endpoints.items():
        archive.add_endpoint(signature, endpoint.function, input_signature=endpoint.inputs)
    archive.write_out(folder, verbose=False)
    extra = Path(folder) / EXTRA
    extra.mkdir()
    write_card(model_card(run), extra)
    write_warmup(run, endpoints, name, extra)


def _publish(written, place: Path) -> Path:
    for path in sorted(Path(written).rglob("*")):
        _to_disk(path)
    # TemporaryDirectory makes folders that only their owner can read.
    os.chmod(written, 0o755)
    os.rename(written, place)
    _to_disk(place.parent)
    return place


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
