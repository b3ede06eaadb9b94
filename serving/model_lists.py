"""Lists of models, and which of them are refused."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from serving.errors import invalid

PLATFORM = "tensorflow"


def check_list(configs: Sequence, known: Mapping[str, object]) -> None:
    """Refuses a list of models that cannot be meant.

    Args:
        configs: `ModelConfig` messages.
        known: {model: ModelConfig} of those there are.

    Raises:
        ServingError: INVALID_ARGUMENT for names that are missing or repeated, paths that are not
            absolute, and platforms that change or are unknown.
    """
    names = set()
    for config in configs:
        name, platform = config.name, config.model_platform
        if not name:
            raise invalid("Illegal to list a model without a name in config list")
        if name in names:
            raise invalid(f"Illegal to list model {name} multiple times in config list")
        names.add(name)
        if not Path(config.base_path).is_absolute():
            raise invalid(
                f"Expected model {name} to have an absolute path or URI; "
                f"got base_path={config.base_path}"
            )
        if name in known and known[name].model_platform != platform:
            raise invalid(
                f"Illegal to change a model's platform. For model {name} platform was "
                f"{known[name].model_platform} and new platform requested is {platform}"
            )
        if platform != PLATFORM:
            raise invalid(f"model {name}: model_platform is {platform!r}; expected {PLATFORM!r}")
