"""The models a server has: their versions loaded and unloaded as folders and configuration change.

A new version is loaded before an old one is let go, so that no request meets neither.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from serving.calls import Call
from serving.errors import (
    as_serving_error,
    deadline_exceeded,
    failed_precondition,
    invalid,
    not_found,
)
from serving.model import Held, Model, not_known
from serving.model_lists import check_list
from serving.reaper import Reaper
from serving.states import AVAILABLE, END, LOADING, START, UNLOADING
from serving.versions import find_versions, fingerprint, wanted

log = logging.getLogger(__name__)


class Models:
    """All models.

    Args:
        load: (name, version, folder) -> servable; what it raises is the version's error.
    """

    def __init__(self, load: Callable[[str, int, Path], object]):
        self._load = load
        self._models: dict[str, Model] = {}
        # Guards the tables, never held while a model loads.
        self._lock = threading.Lock()
        # One pass over the folders at a time.
        self._pass = threading.Lock()
        self._reaper = Reaper()

    # What requests ask for ----------------------------------------------------------------

    @contextmanager
    def use(self, spec) -> Iterator[object]:
        """The servable of a `ModelSpec`, kept loaded as long as the context lasts.

        Raises:
            ServingError: INVALID_ARGUMENT for a spec without a name or with an unknown label,
                NOT_FOUND where no such model or version is loaded.
        """
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        with self._lock:
            model = self._models.get(spec.name)
            if model is None:
                raise not_known(spec)
            held = model.held(spec)
            held.users += 1
        try:
            yield held.servable
        finally:
            with self._lock:
                held.users -= 1
                last = held.at_end is not None and not held.users
            if last:
                self._bury(held)

    def statuses(self, spec) -> list:
        """`ModelVersionStatus` of a model's versions, or of the one that is asked for.

        Raises:
            ServingError: INVALID_ARGUMENT without a name, NOT_FOUND for what was never seen.
        """
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        with self._lock:
            model = self._models.get(spec.name)
            version = model.number(spec) if model else None
            asked = spec.HasField("version") or bool(spec.version_label)
            found = model.states.messages(version) if model else []
        if not found and asked:
            number = spec.version.value if version is None else version
            raise not_found(f"Could not find version {number} of model {spec.name}")
        if not found:
            raise not_found(f"Could not find any versions of model {spec.name}")
        return found

    def available(self) -> dict[str, list]:
        """{model: its loaded servables, highest version first}."""
        with self._lock:
            return {
                name: [model.loaded[version].servable for version in sorted(model.loaded)[::-1]]
                for name, model in self._models.items()
            }

    def configs(self) -> list:
        """The `ModelConfig`s in force."""
        with self._lock:
            return [model.config for model in self._models.values()]

    def errors(self) -> dict[str, str]:
        """{model: why nothing of it is loaded}, of those of which nothing is."""
        with self._lock:
            return {
                name: model.states.last_error() or f"no versions in {model.config.base_path}"
                for name, model in self._models.items()
                if not model.loaded
            }

    # What changes them --------------------------------------------------------------------

    def configure(self, configs: Sequence, call: Call | None = None) -> None:
        """Takes a new list of `ModelConfig`, loads what is new in it and lets go what is not.

        Args:
            configs: the models there are to be.
            call: whose deadline bounds the wait for another change to end; where it is over by
                then, nothing changes.

        Raises:
            ServingError: DEADLINE_EXCEEDED or CANCELLED where the call is over;
                INVALID_ARGUMENT where the list is refused and nothing changes;
                FAILED_PRECONDITION where it holds, but a model that is new in it could not be
                loaded, or a label names a version that is not loaded (it stays where it was).
        """
        call = call or Call()
        left = call.remaining()
        if not self._pass.acquire(timeout=-1 if left is None else left):
            # Said here and not left to `check`, for whose clock it may be a moment too early.
            raise deadline_exceeded()
        try:
            call.check()
            self._replace(configs)
        finally:
            self._pass.release()

    def add(self, configs: Sequence) -> None:
        """Adds those of a list of `ModelConfig` whose names are new; raises as `configure`."""
        with self._pass:
            known = self.configs()
            names = {config.name for config in known}
            self._replace([*known, *(config for config in configs if config.name not in names)])

    def poll(self) -> None:
        """Looks at every model's folder once, and loads and lets go accordingly."""
        with self._pass:
            with self._lock:
                names = list(self._models)
            for name in names:
                self._update(name)

    def close(self, seconds: float = 60) -> None:
        """Lets go of everything; of nothing where a load goes on for longer than so."""
        if not self._pass.acquire(timeout=max(0, seconds)):
            return
        for name in list(self._models):
            self._remove(name)
        self._pass.release()
        self._reaper.close()

    # Inside -------------------------------------------------------------------------------

    def _replace(self, configs):
        with self._lock:
            check_list(configs, {name: one.config for name, one in self._models.items()})
            new = [config.name for config in configs if config.name not in self._models]
            gone = set(self._models) - {config.name for config in configs}
            for config in configs:
                self._models.setdefault(config.name, Model(config)).config = config
        for config in configs:
            self._update(config.name)
        for name in gone:
            self._remove(name)
        self._check_available(new)
        for config in configs:
            self._models[config.name].check_labels()

    def _update(self, name):
        model = self._models[name]
        found = find_versions(model.config.base_path)
        # A base path that has vanished (a share unmounted) takes nothing out of service.
        if found is None:
            return
        wish = wanted(found, model.config.model_version_policy)
        for version in wish:
            if version not in model.loaded:
                self._add(model, version, found[version])
        with self._lock:
            model.assign_labels()
        # As TensorFlow Serving's availability-preserving policy has it.
        if not wish or any(version in model.loaded for version in wish):
            for version in set(model.loaded) - set(wish):
                self._drop(model, version)

    def _add(self, model, version, folder):
        held = fingerprint(folder)
        # The same files fail the same way; a copy that has gone on may load.
        if model.failed.get(version) == held:
            return
        name = model.config.name
        states = model.states
        states.set(version, START)
        states.set(version, LOADING)
        log.info("model %s version %d is being loaded", name, version)
        try:
            servable = self._load(name, version, folder)
        except Exception as error:
            reason = as_serving_error(error)
            model.failed[version] = held
            states.set(version, END, reason)
            log.error("model %s version %d failed to load: %s", name, version, reason.message)
            return
        finally:
            self._reaper.wake()
        with self._lock:
            model.failed.pop(version, None)
            model.loaded[version] = Held(servable)
            states.set(version, AVAILABLE)
        log.info("model %s version %d is available", name, version)

    def _drop(self, model, version):
        with self._lock:
            held = model.loaded.pop(version)
            model.states.set(version, UNLOADING)
            held.at_end = lambda: self._end(model, version)
            unused = not held.users
        log.info("model %s version %d is unloaded", model.config.name, version)
        if unused:
            self._bury(held)

    def _end(self, model, version):
        with self._lock:
            # It may have come back while somebody still used what was dropped.
            if version not in model.loaded:
                model.states.set(version, END)

    def _remove(self, name):
        model = self._models[name]
        for version in list(model.loaded):
            self._drop(model, version)
        with self._lock:
            del self._models[name]

    def _bury(self, held):
        held.servable = None
        held.at_end()
        self._reaper.wake()

    def _check_available(self, names):
        missing = {name: why for name, why in self.errors().items() if name in names}
        if missing:
            reasons = "; ".join(f"{name}: {why}" for name, why in missing.items())
            raise failed_precondition(f"Some models did not become available: {{{reasons}}}")
