"""What a person would want to know of a search before it begins, and might not have meant."""

from cdd_keras.config import Config
from cdd_keras.intervals import evaluation_count, evaluation_interval
from cdd_keras.methods import find_method, traits_of
from cdd_keras.search.checks import picked_by
from cdd_keras.search.importance import choices, ends
from cdd_keras.search.objectives import EDITS
from cdd_keras.strengths import STRENGTHS

# Whether a method reads them is known, beside rates and weights.
EDIT_STRENGTHS = tuple(field.name for field in STRENGTHS)
FOLLOWED = ("edit_start", "ramp", "belief_via_source", *EDIT_STRENGTHS)


def notices(plan, oracle) -> list[str]:
    """What a person would want to know of a plan that passes, as sentences.

    Args:
        plan: the `Plan`.
        oracle: what `make_oracle` gives for it.
    """
    config, said = plan.config, []
    if oracle.first_values is None:
        said.append("the base configuration lies outside the space, so it is not among the trials")
    if idle := unused(plan):
        said.append(f"{', '.join(idle)} vary and change nothing: {config.method} does without")
    if (by := picked_by(plan)) != config.criterion:
        chosen = f"by {by}" if by else "as the last"
        said.append(
            f"criterion {config.criterion} is undefined for method {config.method}: each trial's "
            f"evaluation is picked {chosen}"
        )
    if not config.deterministic:
        said.append("deterministic is false: `train` may not repeat the winner's figures exactly")
    if plan.tuner == "hyperband" and (warning := _early_rung(plan, oracle)):
        said.append(warning)
    return said


def unused(plan) -> tuple[str, ...]:
    """The settings searched that the method reads in no trial, as far as that can be told.

    It can of rates, by the players; of weights and phases, which are its recipe's; of the
    belief through the source; and of the strengths of edits, which nothing but edits shows.
    """
    method = find_method(plan.config.method)
    used = {"belief_via_source"} if traits_of(plan.config.method).reads_through_source else set()
    generator = method.networks(plan.config, 2).get("generator")
    # No other figure is of edits.
    if getattr(generator, "has_strength", False) and EDITS in plan.objective.names:
        used |= {*EDIT_STRENGTHS}
    for config in _corners(plan):
        noted = _Noted(config)
        used |= {f"{player.name}_rate" for player in method.recipe(noted).players} | noted.read
    return tuple(
        name
        for name in plan.space.names
        if (name.endswith(("_rate", "_weight")) or name in FOLLOWED) and name not in used
    )


def _corners(plan):
    """The base configuration, and those that differ from it in one setting of the space."""
    yield plan.config
    for name in plan.space.names:
        for value in choices(plan.space, name) or ends(plan.space, name)[:2]:
            yield plan.config.replace(**{name: value})


class _Noted:
    """A configuration that keeps the names of what is read of it."""

    def __init__(self, config: Config):
        self._config = config
        self.read: set[str] = set()

    def __getattr__(self, name):
        self.read.add(name)
        return getattr(self._config, name)


def _early_rung(plan, oracle) -> str | None:
    """A warning where Hyperband compares trials before all of them train with everything.

    Until then trials differ in what they are trained for, not only in how well. Without a rung
    before the last it compares nothing.
    """
    config = plan.config
    part = min(1.0, oracle.first_rung * evaluation_interval(config) / config.steps)
    if part == 1:
        return (
            f"with {evaluation_count(config)} evaluations a run hyperband has one rung, and is "
            "random search. Lower --evaluate-every for more"
        )
    searched = [name for name in ("edit_start", "ramp") if name in plan.space.names]
    latest = config.replace(**{name: ends(plan.space, name)[1] for name in searched})
    settled = find_method(config.method).recipe(latest).settled
    if part >= settled:
        return None
    return (
        f"hyperband compares trials at {part:.0%} of a run, and some train with everything from "
        f"{settled:.0%} on only: what begins late is not seen. Lower edit_start and ramp, or take "
        "another --tuner"
    )
