"""Which evaluation of a run to report: the last, a label-free pick, and an oracle's."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdd_keras.domains import SOURCE, TARGET
from cdd_keras.metrics.validators import DEFAULT, VALIDATORS

ORACLE_CRITERION = "target balanced accuracy (reads target labels: not a fair pick)"
# A method without a translated branch has no agreement to choose by.
FALLBACKS = ("infomax", "source_accuracy")


@dataclass(frozen=True)
class Evaluation:
    """A model at one step of its training.

    Attributes:
        step: training steps done.
        label_free: validator -> value or None, on validation images.
        report: {"source": M, "target": M}, see `metrics.classification.score`; M may be None.
        settled: whether everything was trained with its full weight by then.
    """

    step: int
    label_free: dict[str, float | None]
    report: dict[str, dict | None]
    settled: bool = True


def pick_label_free(
    evaluations: Sequence[Evaluation], criterion: str = DEFAULT
) -> tuple[Evaluation, str | None]:
    """The evaluation with the highest criterion, the latest of equals; reads no report.

    Those before the model was settled are passed over while there are others: they may read well
    and not draw yet.

    Returns:
        The evaluation and the criterion it was chosen by: `criterion`, the first of `FALLBACKS`
        that is defined anywhere if it is not, or None (then the last evaluation).

    Raises:
        ValueError: no evaluations, or an unknown criterion.
    """
    if not evaluations:
        raise ValueError("`evaluations` is empty: evaluate the model at least once.")
    if criterion not in VALIDATORS:
        raise ValueError(
            f"`criterion` is not a validator: {criterion!r}. Expected one of {list(VALIDATORS)}."
        )
    settled = [one for one in evaluations if one.settled] or evaluations
    for name in (criterion, *FALLBACKS):
        if best := _highest(settled, lambda one, name=name: one.label_free.get(name)):
            return best, name
    return _latest(settled), None


def select(evaluations: Sequence[Evaluation], criterion: str = DEFAULT) -> dict:
    """report.json's `selection`: the three picks, each with its figures and step.

    Args:
        evaluations: in any order, at least one.
        criterion: the validator that chooses the label-free pick.

    Returns:
        {"final", "label_free", "oracle"}: each {"source": M, "target": M, "step"}, the last two
        with the "criterion" used. `oracle` is None where the target has no labels.
    """
    chosen, used = pick_label_free(evaluations, criterion)
    oracle = _highest(evaluations, _target_balanced_accuracy)
    return {
        "final": as_pick(_latest(evaluations)),
        "label_free": {**as_pick(chosen), "criterion": used},
        "oracle": {**as_pick(oracle), "criterion": ORACLE_CRITERION} if oracle else None,
    }


def regrets(evaluations: Sequence[Evaluation]) -> dict[str, float | None]:
    """What each validator's pick gives up to the oracle's, in target balanced accuracy.

    Reads target labels, to judge validators afterwards: nothing is picked by it.

    Args:
        evaluations: of one run, at least one.

    Returns:
        {validator: at least 0; None where the run does not have it}; empty where the target has no
        labels.
    """
    oracle = _highest(evaluations, _target_balanced_accuracy)
    if oracle is None:
        return {}
    found = {}
    for name in VALIDATORS:
        pick, used = pick_label_free(evaluations, name)
        value = _target_balanced_accuracy(pick) if used == name else None
        found[name] = None if value is None else _target_balanced_accuracy(oracle) - value
    return found


def as_pick(evaluation: Evaluation) -> dict:
    """{"source": M, "target": M, "step"} of an evaluation."""
    report = evaluation.report
    return {SOURCE: report.get(SOURCE), TARGET: report.get(TARGET), "step": evaluation.step}


def _target_balanced_accuracy(evaluation: Evaluation) -> float | None:
    return (evaluation.report.get(TARGET) or {}).get("balanced_accuracy")


def _highest(evaluations, value) -> Evaluation | None:
    scored = [one for one in evaluations if value(one) is not None]
    return max(scored, key=lambda one: (value(one), one.step), default=None)


def _latest(evaluations) -> Evaluation:
    return max(evaluations, key=lambda one: one.step)
