"""A search in one picture: parallel coordinates, a line a trial."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from cdd_keras.files import replacing
from cdd_keras.search.importance import choices, ends, position
from cdd_keras.search.records import COMPLETED

INCHES_AN_AXIS = 1.5
HEIGHT = 4.5


def draw(plan, known) -> None:
    """Writes the picture: an axis a setting, the objective last; better lines are brighter.

    A line breaks where a setting was not searched in its trial. Failed trials, and those that
    Hyperband stopped, are left out.
    """
    used = sorted(
        (one for one in known if one.state == COMPLETED and one.whole),
        key=lambda one: one.objective,
    )
    names = plan.space.names
    figure = Figure(figsize=(INCHES_AN_AXIS * (len(names) + 1), HEIGHT), layout="constrained")
    axes = figure.subplots()
    scores = np.array([one.objective for one in used])
    spread = np.ptp(scores) if len(scores) else 0.0
    for one in used:
        level = (one.objective - scores.min()) / spread if spread else 1.0
        places = [position(plan.space, one, name) for name in names]
        line = [np.nan if place < 0 else place for place in places]
        axes.plot([*line, level], color=colormaps["viridis"](level), marker="o", markersize=3)
    _scales(axes, plan, scores)
    with replacing(plan.folder.picture) as temporary:
        figure.savefig(temporary, dpi=110)


def _scales(axes, plan, scores) -> None:
    names = plan.space.names
    axes.set_xticks(range(len(names) + 1), [*names, str(plan.objective)], rotation=20, ha="right")
    axes.set_yticks([])
    axes.set_ylim(-0.08, 1.08)
    axes.set_frame_on(False)
    for index, name in enumerate(names):
        axes.axvline(index, color="0.8", zorder=0)
        for place, text in _marks(plan.space, name):
            axes.text(index, place, f" {text}", fontsize=7, va="center")
    axes.axvline(len(names), color="0.5", zorder=0)
    if len(scores):
        for place, score in ((0.0, scores.min()), (1.0, scores.max())):
            axes.text(len(names), place, f" {score:.4g}", fontsize=7, va="center")


def _marks(space, name):
    values = choices(space, name)
    if values:
        return [(index / max(1, len(values) - 1), value) for index, value in enumerate(values)]
    low, high, scale = ends(space, name)
    middle = [(0.5, f"{(low * high) ** 0.5:.2g}")] if scale == "log" else []
    return [(0.0, f"{low:g}"), *middle, (1.0, f"{high:g}")]
