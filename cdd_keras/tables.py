"""The tables that are reproduced: their tasks, and the figures published for them.

Liu et al. (CVPR 2018), tables 1 to 4, and Liu, Breuel and Kautz (NIPS 2017), table 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdd_keras.config import METHODS, read_file
from cdd_keras.errors import UsageError

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
# What a table and its rows settle for their runs.
SETTLED = (
    *("attr", "data", "data_dir", "domains", "method", "output", "seed", "target_dir"),
    "tfds_name",
)
# What stands in a row: a method, and for one of them the input that others are spared.
ROWS = {name: {"method": name} for name in METHODS} | {
    "source_only_raw": {"method": "source_only", "classifier_input": "raw"}
}
# Of methods whose classes share the discriminator's layers: by `cdd`'s slow discriminator, told to
# look at realness first, those layers do not learn the source. 0.5 is the paper's for faces. Both
# were chosen by the source's validation images, on Table 2.
_SHARED_TRUNK = {"adversarial_weight": 0.5, "discriminator_rate": 2e-3}
# Settings of a row in place of its tasks'; a flag is in place of both.
TUNED = dict.fromkeys(("acgan", "cogan", "unit", "cdd_gan", "cdd_paper"), _SHARED_TRUNK)
# The order of a table: references, competitors, ours, and what all labels would give.
ORDER = (
    *("source_only_raw", "source_only", "sa", "infogan", "acgan", "cogan", "unit", "dann", "dtn"),
    *("cdd_gan", "cdd_paper", "cdd", "oracle"),
)
COMPARED = ("source_only_raw", "source_only", "cogan", "unit", "dann", "cdd", "oracle")


@dataclass(frozen=True)
class Task:
    """One pair of domains and what was published for it.

    Args:
        name: of folders and files.
        title: for people.
        config: its file in `configs/`.
        published: row -> (source, target) accuracy as a fraction; None where there is none.
        transductive: whether all target images are measured as well, as its literature does.
        stored_as: settings in place of the file's where the data are TensorFlow Datasets'.
    """

    name: str
    title: str
    config: str
    published: Mapping[str, tuple[float | None, float | None]]
    transductive: bool = False
    stored_as: Mapping[str, str] = field(default_factory=dict)

    def settings(self, data_dir: Path) -> dict:
        """The settings of its runs, but for row and seed.

        Raises:
            UsageError: the configurations are not beside the package.
        """
        path = CONFIGS / self.config
        if not path.is_file():
            raise UsageError(
                f"{path} is missing. The tables' settings are in configs/ of the source tree: run "
                "the command from a checkout of it."
            )
        settings = {**read_file(path), "data_dir": str(data_dir)}
        return settings | self.stored_as if self._in_tfds(settings, data_dir) else settings

    def _in_tfds(self, settings: dict, data_dir: Path) -> bool:
        if not self.stored_as:
            return False
        names = settings["domains"].split("-")
        return not any((data_dir / f"{name}.npz").exists() for name in names)


@dataclass(frozen=True)
class Table:
    """Tasks that are shown together, and the rows that are run unless others are asked."""

    title: str
    tasks: tuple[Task, ...]
    rows: tuple[str, ...] = COMPARED


def _cdd(cogan, unit, cdd_gan, cdd):
    """The columns of the paper's tables as rows; both forms of CDD stand beside its figure."""
    return {"cogan": cogan, "unit": unit, "cdd_gan": cdd_gan, "cdd_paper": cdd, "cdd": cdd}


def _to_target(**figures):
    return {row: (None, figure) for row, figure in figures.items()}


TABLES = {
    "1": Table(
        "Table 1",
        (
            Task(
                "table1",
                "smiling: faces without glasses to faces with glasses",
                "celeba_table1.yaml",
                _cdd((0.8703, 0.7192), (0.8866, 0.7182), (0.8948, 0.8369), (0.8973, 0.8443)),
                transductive=True,
            ),
        ),
    ),
    "2": Table(
        "Table 2",
        (
            Task(
                "table2",
                "smiling: sketches to photos",
                "celeba_table2.yaml",
                _cdd((0.8950, 0.7890), (0.9010, 0.8104), (0.9019, 0.8761), (0.9001, 0.8828)),
            ),
        ),
        ORDER,
    ),
    "3": Table(
        "Table 3",
        (
            Task(
                "table3",
                "eyeglasses: sketches to photos",
                "celeba_table3.yaml",
                _cdd((0.9663, 0.8101), (0.9765, 0.7989), (0.9706, 0.9449), (0.9719, 0.9484)),
            ),
        ),
    ),
    "digits": Table(
        "Digits",
        (
            Task(
                "mnist-usps",
                "MNIST to USPS",
                "digits_mnist_usps.yaml",
                _to_target(cogan=0.9120, cdd_gan=0.9505),
            ),
            Task(
                "usps-mnist",
                "USPS to MNIST",
                "digits_usps_mnist.yaml",
                _to_target(cogan=0.8910, cdd_gan=0.9435),
            ),
        ),
    ),
    "svhn": Table(
        "SVHN (UNIT's table)",
        (
            Task(
                "svhn-mnist",
                "SVHN to MNIST",
                "digits_svhn_mnist.yaml",
                _to_target(sa=0.5932, dann=0.7385, dtn=0.8488, unit=0.9053),
                stored_as={"data": "tfds", "domains": "svhn_cropped-mnist", "attr": "digit"},
            ),
        ),
        ("source_only_raw", "source_only", "sa", "dann", "dtn", "unit", "cdd", "oracle"),
    ),
}
