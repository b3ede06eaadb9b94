"""What is refused before a search begins: what no trial could end well with, or fairly."""

from cdd_keras.domains import SOURCE, TARGET
from cdd_keras.errors import UsageError
from cdd_keras.intervals import evaluation_count
from cdd_keras.methods import find_method, traits_of
from cdd_keras.metrics.selection import FALLBACKS
from cdd_keras.search.objectives import EDITS, NAMES, ORACLES
from cdd_keras.search.oracles import make_oracle


def check(plan) -> None:
    """Refuses a plan that would come to nothing, whatever the data.

    Raises:
        UsageError: the method trains on target labels, or does not have the objective; or
            Hyperband would end before a whole trial.
    """
    method = plan.config.method
    if traits_of(method).reads_target_labels:
        raise UsageError(
            f"`method` {method} trains on target labels: nothing is chosen by such a model. "
            "Expected another method."
        )
    known = available(plan)
    for name in plan.objective.names:
        if name not in known:
            default = name == str(plan.objective) == plan.config.criterion
            given = f"{name}, the default," if default else name
            others = f"one of {', '.join(known)}, or " if known else ""
            hint = f" Try --objective {by}." if (by := picked_by(plan)) else ""
            raise UsageError(
                f"`--objective` {given} is undefined for method {method}. Expected {others}another "
                f"method.{hint}"
            )
    if plan.tuner == "hyperband":
        evaluations = evaluation_count(plan.config)
        fewest = make_oracle(plan, evaluations).fewest_trials
        if plan.max_trials < fewest:
            raise UsageError(
                f"`--max-trials` is {plan.max_trials}: with {evaluations} evaluations a run, "
                f"hyperband trains none to its end in so few. Expected at least {fewest}, or fewer "
                "evaluations (--evaluate-every)."
            )


def check_data(plan, pair) -> None:
    """Refuses an objective that reads labels which the data do not have.

    Raises:
        UsageError: an oracle's, of an unlabelled target.
    """
    if plan.objective.reads_target_labels and pair.get("validation", TARGET).labels is None:
        raise UsageError(
            f"`--objective` {plan.objective} reads target labels, and the validation images of "
            f"{pair.names[TARGET]} have none. Expected an objective without labels."
        )


def picked_by(plan) -> str | None:
    """What the evaluation of a trial is picked by: the criterion, or what stands in for it."""
    known = available(plan)
    return next((name for name in (plan.config.criterion, *FALLBACKS) if name in known), None)


def available(plan) -> tuple[str, ...]:
    """The figures that the method has in all trials of a search that ends well."""
    config, traits = plan.config, traits_of(plan.config.method)
    # Their names alone are looked at, so any number of classes does.
    networks = find_method(config.method).networks(config, 2)
    drawn = traits.draws if {"encoder", "generator"} <= set(networks) else ()
    believed = config.belief_via_source > 0 or "belief_via_source" in plan.space.names
    two_branches = traits.reads_through_source and believed
    has = {
        "source_accuracy": traits.names_values,
        "translated_source_accuracy": traits.names_values and TARGET in drawn,
        "agreement": two_branches,
        "kappa": two_branches,
        EDITS: traits.shows_values and SOURCE in drawn,
        **dict.fromkeys(("target_entropy", "infomax", "snd", *ORACLES), TARGET in traits.reads),
    }
    return tuple(name for name in NAMES if has[name])
