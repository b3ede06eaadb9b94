"""The configuration of an experiment: one flat, strict schema.

Read from a YAML file (``batch_size: 64``), from flags (``--batch-size 64``) or from Python
(``Config(attr="eyeglasses", batch_size=64)``). Everything is checked here, before
TensorFlow is imported.
"""

import dataclasses
import difflib
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from cdd_keras import yaml_text
from cdd_keras.combinations import check_domains, check_places
from cdd_keras.errors import UsageError
from cdd_keras.schema import check, setting, suggest

METHODS = (
    "cdd",
    "cdd_paper",
    "cdd_gan",
    "cogan",
    "unit",
    "acgan",
    "infogan",
    "dann",
    "dtn",
    "sa",
    "source_only",
    "oracle",
)
DATA = ("synthetic", "celeba", "digits", "folder", "tfds")
# The names registered in metrics/validators.py, which this module must not import.
CRITERIA = (
    "agreement",
    "kappa",
    "source_accuracy",
    "translated_source_accuracy",
    "target_entropy",
    "infomax",
    "snd",
)

_experiment = partial(setting, "experiment")
_data = partial(setting, "data")
_networks = partial(setting, "networks")
_weights = partial(setting, "loss weights")
_belief = partial(setting, "belief")
_optimisers = partial(setting, "optimisers")
_phases = partial(setting, "phases")
_augmentation = partial(setting, "augmentation")
_evaluation = partial(setting, "evaluation")


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of one experiment, resolved and checked.

    ``domains`` and the attribute of digits are filled in where they are left out.

    Raises:
        UsageError: A value has the wrong type, is out of range or does not fit the others.
    """

    attr: str = _experiment("", "attribute to learn, such as eyeglasses")
    data: str = _experiment("synthetic", "where the images come from", choices=DATA)
    data_dir: str | None = _experiment(None, "folder of the data")
    domains: str = _experiment(
        "",
        "source and target: sketch-photo, photo-sketch, without-with:ATTR or A-B such as "
        "mnist-usps; sketch-photo by default, mnist-usps for digits, none with target_dir",
    )
    method: str = _experiment("cdd", "what is trained", choices=METHODS)
    seed: int = _experiment(0, "seed of everything random", "[0, 2147483647]")
    steps: int = _experiment(800, "training steps", "[1, inf)")
    batch_size: int = _experiment(32, "images a step and domain", "[2, 65536]")
    image_size: int = _experiment(32, "side of the images, pixels", "[16, 256]", multiple=4)
    precision: str = _experiment(
        "auto",
        "arithmetic; auto: bfloat16 on CPUs that have it, float16 on GPUs, else float32",
        choices=("auto", "float32", "mixed_bfloat16", "mixed_float16"),
    )
    strategy: str = _experiment(
        "none",
        "devices: one, mirrored (all of this machine) or multiworker (those TF_CONFIG names)",
        choices=("none", "mirrored", "multiworker"),
    )
    deterministic: bool = _experiment(
        False, "the same bits every time on one machine; may be slower"
    )
    exact_sums: bool = _experiment(
        False,
        "sum over batches in float64: the same weights on 1, 2, 4 .. CPUs; slower",
    )
    output: str | None = _experiment(None, "run folder; runs/<attr>-<method>-<time> by default")

    sketch_style: str = _data("lines", "how sketches are drawn", choices=("shaded", "lines"))
    sketch_shade: float = _data(0.35, "grey in a shaded sketch: 0 lines, 1 the image", "[0, 1]")
    crop: float | None = _data(None, "share of the shorter side kept; else the data's", "(0, 1]")
    crop_y: float | None = _data(None, "crop's height, 0 top to 1 bottom", "[0, 1]")
    balanced: bool = _data(True, "draw source images so that all values come equally often")
    train_limit: int | None = _data(None, "most training images a domain", "[1, inf)")
    synthetic_count: int = _data(6000, "synthetic faces in all", "[16, 1000000]")
    tfds_name: str | None = _data(None, "TensorFlow Datasets name, such as celeb_a")
    target_dir: str | None = _data(None, "folder of unlabelled target images, for folder data")
    validation_fraction: float = _data(0.1, "training share held for validation", "(0, 1)")

    channels: int = _networks(16, "channels of generator, encoder and classifier", "[1, 1024]")
    discriminator_channels: int = _networks(24, "channels of the discriminator", "[1, 1024]")
    code_shape: str = _networks("spatial", "shape of the content code", choices=("spatial", "flat"))
    code_size: int = _networks(16, "its channels, or length where flat", "[1, 4096]")
    residual_blocks: int = _networks(1, "residual blocks at the lowest resolution", "[0, 64]")
    classifier_trunk: str = _networks(
        "separate",
        "cdd's classifier: a trunk of its own, or the discriminator's as in cdd_paper and cdd_gan",
        choices=("separate", "shared"),
    )
    classifier_input: str = _networks(
        "normalised",
        "what the classifier sees: contrast-normalised grey, or raw colour",
        choices=("normalised", "raw"),
    )
    edit_strength: float = _networks(
        1.5, "cdd's edits within a domain at use, as a multiple of those trained", "[0, 10]"
    )
    translation_strength: float = _networks(
        1.0, "the same of its edits in translations and samples", "[0, 10]"
    )

    reconstruction_weight: float = _weights(50.0, "L1 reconstruction", "[0, inf)")
    kl_weight: float = _weights(5e-4, "KL divergence, summed over the code", "[0, inf)")
    latent_weight: float = _weights(1.0, "latent consistency of the base translations", "[0, inf)")
    adversarial_weight: float = _weights(3.0, "realness of base images", "[0, inf)")
    edit_adversarial_weight: float = _weights(5.0, "realness of edits", "[0, inf)")
    identity_weight: float = _weights(30.0, "an image given its own value comes back", "[0, inf)")
    restore_weight: float = _weights(
        40.0, "an image whose value was changed comes back with its own", "[0, inf)"
    )
    change_weight: float = _weights(1.0, "price on the change an edit makes", "[0, inf)")
    class_weight: float = _weights(0.25, "the classifier's gradient on edits", "[0, inf)")
    wrong_value_weight: float = _weights(0.5, "real images as other values' fakes", "[0, inf)")
    self_training_weight: float = _weights(1.0, "confident beliefs as labels", "[0, inf)")
    information_weight: float = _weights(0.3, "certain, even readings of the target", "[0, inf)")
    translated_class_weight: float = _weights(1.0, "reading translations", "[0, inf)")
    r1_weight: float = _weights(0.5, "R1 penalty on the discriminator", "[0, inf)")

    belief_confidence: float = _belief(0.8, "least confidence of a belief that teaches", "[0, 1]")
    belief_via_source: float = _belief(0.6, "share read by the source's branch", "[0, 1]")
    belief_sharpness: float = _belief(2.0, "power that sharpens it; 1 does not", "[1, 100]")
    prior_alignment: float = _belief(1.0, "pull to the class frequencies", "[0, 1]")

    generator_rate: float = _optimisers(1.5e-3, "learning rate of generator and encoder", "(0, 1]")
    discriminator_rate: float = _optimisers(1e-3, "learning rate of the discriminator", "(0, 1]")
    classifier_rate: float = _optimisers(3e-3, "learning rate of the classifier", "(0, 1]")
    clip_norm: float = _optimisers(20.0, "largest norm of generator gradients", "(0, inf)")
    decay_start: float = _optimisers(
        0.5, "part of the run after which rates fall linearly to 2 %", "[0, 1]"
    )
    nonfinite_steps: int = _optimisers(
        10, "skipped steps in a row, for NaN or infinity, that end the training", "[1, inf)"
    )
    ema: float = _optimisers(0.99, "decay of the averaged weights", "[0, 1)")

    edit_start: float = _phases(0.15, "part of the run before edits begin", "[0, 1]")
    ramp: float = _phases(0.1, "part of the run over which edit losses rise", "[0, 1]")

    flip: bool = _augmentation(True, "mirror images left to right at random")
    colour_jitter: bool = _augmentation(True, "vary colours for the discriminator at random")
    view_rotation: float = _augmentation(
        0.1, "largest angle of what teaches the classifier, in radians", "[0, 3.2]"
    )
    view_shear: float = _augmentation(
        0.0, "largest slant of what teaches the classifier, sideways by down", "[0, 1]"
    )

    evaluate_every: float = _evaluation(0.125, "part of the run between evaluations", "(0, 1]")
    checkpoint_seconds: float = _evaluation(
        30.0, "most seconds of training between checkpoints", "(0, inf)"
    )
    checkpoints_kept: int = _evaluation(2, "newest checkpoints kept", "[1, 1000]")
    criterion: str = _evaluation("agreement", "label-free choice of a checkpoint", choices=CRITERIA)

    def __post_init__(self):
        for field in dataclasses.fields(self):
            self._set(field.name, check(field, getattr(self, field.name)))
        check_places(self)
        digits = self.data == "digits"
        self._set("attr", self.attr or ("digit" if digits else ""))
        self._set("domains", self.domains or ("mnist-usps" if digits else "sketch-photo"))
        if not self.attr.strip():
            raise UsageError(
                "`attr` is required: the attribute to learn. Give it as `--attr eyeglasses`, or "
                "as `attr: eyeglasses` in the configuration file."
            )
        check_domains(self.domains, self.data, self.attr)

    def _set(self, name: str, value: Any):
        """Settle a field while the frozen object is being made."""
        object.__setattr__(self, name, value)

    @classmethod
    def from_file(cls, path: str | Path, **overrides: Any) -> "Config":
        """The configuration of a YAML file, keyword arguments winning over it.

        Raises:
            UsageError: The file cannot be read, or a key or value is wrong; it names both.
        """
        check_names(overrides, "argument")
        return cls(**{**read_file(path), **overrides})

    def replace(self, **changes: Any) -> "Config":
        """A copy with other values, checked anew."""
        check_names(changes, "argument")
        return dataclasses.replace(self, **changes)

    def to_yaml(self) -> str:
        """All settings as YAML; a file of it gives this configuration back."""
        return yaml_text.dump(dataclasses.asdict(self))


def check_names(values: dict, kind: str):
    """Refuse keys that are not settings, with the nearest one that is."""
    names = [field.name for field in dataclasses.fields(Config)]
    for name in values:
        if name not in names:
            hint = suggest(str(name), names) or " `train --help` lists the settings."
            raise UsageError(f"unknown {kind} `{name}`.{hint}")


def read_file(path: str | Path) -> dict[str, Any]:
    """The checked settings of a YAML file, only those it gives.

    Raises:
        UsageError: The file cannot be read, or a key or value is wrong; it names both.
    """
    try:
        values = yaml_text.load(_read_text(Path(path)))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid YAML: {yaml_text.describe(error)}") from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise UsageError(f"{path} holds no settings. Expected lines such as `batch_size: 32`.")
    fields = {field.name: field for field in dataclasses.fields(Config)}
    try:
        check_names(values, "key")
        return {name: check(fields[name], value) for name, value in values.items()}
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        beside = [str(file) for file in sorted(path.parent.glob("*.yaml"))]
        near = difflib.get_close_matches(str(path), beside, n=1) or beside
        hint = f" There is: {', '.join(near)}." if near else ""
        raise UsageError(f"configuration file not found: {path}.{hint}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"configuration file {path} cannot be read: {reason}.") from error
