"""The model card: what a SavedModel is, for machines (JSON) and for people (Markdown)."""

import json
from pathlib import Path

from cdd_keras.domains import DOMAINS
from cdd_keras.files import write_json, write_text

JSON_NAME, TEXT_NAME = "model_card.json", "MODEL_CARD.md"
LIMITS = (
    "Target figures are of the test images named under data; other images may be read worse.",
    "The target domain had no labels in training: its classes may be off where its class "
    "frequencies differ from the source's.",
    "Edits change what goes with the attribute in the training images, and may draw what was not "
    "there. Not for decisions about people.",
)


def model_card(run) -> dict:
    """What is known of a run: `StoredRun` -> JSON values."""
    config = run.config
    return {
        "attribute": run.attribute.name,
        "class_names": list(run.attribute.values),
        "labels": {"-2": "keep the value an image is judged to have", "-1": "none, the base image"},
        "domains": [
            {"index": index, "role": domain, "name": run.names[domain]}
            for index, domain in enumerate(DOMAINS)
        ],
        "image_size": config.image_size,
        "method": config.method,
        "checkpoint": {"step": run.step, "criterion": config.criterion},
        "data": {"kind": config.data, "domains": config.domains},
        "metrics": _metrics(run),
        "limits": list(LIMITS),
        "trained_by": _read(run.folder.path / "environment.json"),
    }


def write_card(card: dict, folder: Path) -> None:
    """Writes both forms."""
    write_json(folder / JSON_NAME, card)
    write_text(folder / TEXT_NAME, _text(card))


def _metrics(run):
    report = _read(run.folder.report) or {}
    return {key: report.get(key) for key in (*DOMAINS, "generation")}


def _read(path: Path):
    return json.loads(path.read_text()) if path.is_file() else None


def _text(card) -> str:
    domains = " and ".join(f"{one['name']} ({one['index']})" for one in card["domains"])
    classes = ", ".join(f"{number}: {name}" for number, name in enumerate(card["class_names"]))
    built = card["trained_by"] or {}
    lines = [
        f"# {card['attribute']}",
        "",
        f"Trained by method `{card['method']}` on {domains}, {card['image_size']} px; "
        f"{card['domains'][0]['name']} images had labels.",
        "",
        f"- Classes: {classes}",
        f"- Data: {card['data']['kind']}, {card['data']['domains']}",
        f"- Checkpoint: step {card['checkpoint']['step']}, chosen without target labels by "
        f"{card['checkpoint']['criterion']}",
        f"- Commit: {built.get('commit') or 'unknown'}",
        "",
        "| | Accuracy | Balanced | F1 | AUC | Images |",
        "|---|---|---|---|---|---|",
    ]
    for one in card["domains"]:
        figures = card["metrics"][one["role"]] or {}
        keys = ("accuracy", "balanced_accuracy", "f1", "auc", "count")
        cells = [_number(figures.get(key)) for key in keys]
        lines.append(f"| {one['name']} ({one['role']}) | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "## Limits", "", *(f"- {limit}" for limit in LIMITS), ""])


def _number(value) -> str:
    return "not measured" if value is None else f"{value:.3f}" if value < 2 else str(value)
