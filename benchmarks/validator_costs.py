"""What label-free choices of a checkpoint cost, over the stored tables of docs/results.

    python benchmarks/validator_costs.py

prints the table of docs/results.md's "What choosing without labels costs", and the mean cost of
each way to choose for all methods alike, over Table 1 and the digits.
"""

import json
from pathlib import Path
from statistics import fmean

RESULTS = Path(__file__).parent.parent / "docs" / "results"
CHOSEN_ON, REPORTED_ON = ("1", "digits"), ("2", "3")
ORDER = (
    *("agreement", "kappa", "translated_source_accuracy", "infomax", "target_entropy"),
    *("source_accuracy", "snd"),
)
HEADINGS = (
    *("Validator", "`cdd`, Table 1 and digits", "`cdd`, Tables 2 and 3"),
    *("Others, Table 1 and digits", "Others, Tables 2 and 3"),
)


def read_costs(tables):
    """{validator: {(task, run): target balanced accuracy given up}} of stored tables."""
    costs = {name: {} for name in ORDER}
    for table in tables:
        for task in json.loads((RESULTS / f"table-{table}.json").read_text())["tasks"]:
            for name, runs in task["validators"].items():
                costs[name] |= {(task["task"], run): cost for run, cost in runs.items()}
    return costs


def lines():
    """The table, as lines of Markdown."""
    parts = [read_costs(tables) for tables in (CHOSEN_ON, REPORTED_ON)]
    yield f"| {' | '.join(HEADINGS)} |"
    yield "|" + "---|" * len(HEADINGS)
    for name in ORDER:
        cells = [_cell(part[name], ours) for ours in (True, False) for part in parts]
        yield f"| `{name}` | {' | '.join(cells)} |"


def means_for_all():
    """{way to choose: mean cost over Table 1 and the digits}, of ways that all methods have."""
    costs = read_costs(CHOSEN_ON)
    fallback = costs["infomax"] | costs["agreement"]
    ways = {"agreement, else infomax": fallback, "infomax": costs["infomax"]}
    ways["source_accuracy"] = costs["source_accuracy"]
    return {way: fmean(found.values()) for way, found in ways.items()}


def _cell(costs, ours):
    """Mean, most and number, of `cdd`'s runs or of the others."""
    found = [cost for (_, run), cost in costs.items() if (run.rpartition("-")[0] == "cdd") == ours]
    return f"{fmean(found):.3f}, {max(found):.3f} ({len(found)})" if found else "-"


if __name__ == "__main__":
    print("\n".join(lines()))
    for way, mean in means_for_all().items():
        print(f"{way}: {mean:.3f}")
