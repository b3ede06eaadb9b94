"""One model of those a server has: which of its versions are loaded, and which one is meant.

Nothing here locks; `Models` does, around every call.
"""

from collections.abc import Callable

from serving.errors import ServingError, failed_precondition, invalid, not_found
from serving.states import VersionStates


class Held:
    """A loaded version, the number of those who use it, and what to do after the last of them."""

    def __init__(self, servable):
        self.servable = servable
        self.users = 0
        self.at_end: Callable[[], None] | None = None


class Model:
    """A model by its configuration, with what is loaded of it.

    Args:
        config: its `ModelConfig`.

    Attributes:
        config: the one in force.
        states: what has become of each version.
        labels: those in force: of the configuration's, the ones whose versions are loaded.
        loaded: {version: Held}.
        failed: {version that failed to load: what its folder held then}.
    """

    def __init__(self, config):
        self.config = config
        self.states = VersionStates()
        self.labels: dict[str, int] = {}
        self.loaded: dict[int, Held] = {}
        self.failed: dict[int, tuple] = {}

    def number(self, spec) -> int | None:
        """The version that a `ModelSpec` names, by number or label; None where it names none.

        Raises:
            ServingError: INVALID_ARGUMENT for an unknown label.
        """
        if spec.version_label:
            if spec.version_label not in self.labels:
                raise invalid(f"Unrecognized servable version label: {spec.version_label}")
            return self.labels[spec.version_label]
        return _number(spec)

    def held(self, spec) -> Held:
        """The loaded version that a `ModelSpec` means: the highest where it names none.

        Raises:
            ServingError: INVALID_ARGUMENT for an unknown label, NOT_FOUND for what is not loaded.
        """
        asked = self.number(spec)
        version = max(self.loaded, default=None) if asked is None else asked
        if version not in self.loaded:
            raise not_served(spec.name, asked)
        return self.loaded[version]

    def assign_labels(self) -> None:
        """Moves labels to versions that are loaded; before that they stay where they were."""
        self.labels = {
            label: version if version in self.loaded else self.labels[label]
            for label, version in self.config.version_labels.items()
            if version in self.loaded or label in self.labels
        }

    def check_labels(self) -> None:
        """Raises ServingError (FAILED_PRECONDITION) where a label is not at its version yet."""
        for label, version in self.config.version_labels.items():
            if self.labels.get(label) != version:
                raise failed_precondition(
                    f"Request to assign label {label} to version {version} of model "
                    f"{self.config.name}, which is not currently available for inference"
                )


def not_served(name: str, version: int | None) -> ServingError:
    """NOT_FOUND, for a version of a model or, with None, for its latest."""
    wish = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return not_found(f"Servable not found for request: {wish}")


def not_known(spec) -> ServingError:
    """NOT_FOUND, for a `ModelSpec` of a model that there is not."""
    return not_served(spec.name, _number(spec))


def _number(spec):
    return spec.version.value if spec.HasField("version") else None
