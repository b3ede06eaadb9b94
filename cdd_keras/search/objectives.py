"""What a search maximises: label-free figures, alone or as a weighted sum.

Every name but those of `ORACLES` is measured without any target label, on validation images, at
the evaluation that the run itself would pick without them.
"""

from dataclasses import dataclass

from cdd_keras.config import CRITERIA
from cdd_keras.errors import UsageError
from cdd_keras.schema import suggest

EDITS = "source_edit_success"
ORACLE_MARK = "oracle_"
# Read target validation labels: to learn what choosing without them costs, never to choose by.
ORACLES = {
    "oracle_target_accuracy": "accuracy",
    "oracle_target_balanced_accuracy": "balanced_accuracy",
}
NAMES = (*CRITERIA, EDITS, *ORACLES)


@dataclass(frozen=True)
class Objective:
    """A weighted sum of figures, the higher the better.

    Attributes:
        terms: (weight, name) pairs.
    """

    terms: tuple[tuple[float, str], ...]

    def __str__(self) -> str:
        return "+".join(
            name if weight == 1 else f"{_shown(weight)}*{name}" for weight, name in self.terms
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The figures it is made of."""
        return tuple(name for _, name in self.terms)

    @property
    def reads_target_labels(self) -> bool:
        """Whether it is an oracle's."""
        return any(name in ORACLES for name in self.names)

    def value(self, figures: dict[str, float]) -> float:
        """The sum over figures by name."""
        return sum(weight * figures[name] for weight, name in self.terms)


def parse_objective(text: str) -> Objective:
    """The objective that a text such as `agreement` or `agreement+0.5*source_edit_success` means.

    Raises:
        UsageError: a name is unknown, a weight is no positive number, or a name comes twice.
    """
    terms = tuple(_term(part.strip(), text) for part in text.split("+"))
    names = [name for _, name in terms]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"`--objective` names {name} twice: {text!r}.")
    return Objective(terms)


def _shown(weight: float) -> str:
    """All digits of a weight, without the + that would be the sum's."""
    return repr(weight).removesuffix(".0").replace("e+", "e")


def _term(part: str, text: str) -> tuple[float, str]:
    weight, star, name = part.rpartition("*")
    name = name.strip()
    if name not in NAMES:
        raise UsageError(
            f"`--objective` is not available: {name!r} in {text!r}. Expected one of "
            f"{', '.join(NAMES)}, or a sum such as agreement+0.5*{EDITS}.{suggest(name, NAMES)}"
        )
    try:
        number = float(weight) if star else 1.0
    except ValueError:
        number = float("nan")
    if not 0 < number < float("inf"):
        raise UsageError(
            f"`--objective` has a wrong weight: {weight!r} in {text!r}. Expected a number above 0."
        )
    return number, name
