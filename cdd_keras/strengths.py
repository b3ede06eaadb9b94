"""How strong edits are, as flags of the commands that use a run: training does not read it."""

from dataclasses import fields

from cdd_keras import schema
from cdd_keras.config import Config

STRENGTHS = tuple(field for field in fields(Config) if field.name.endswith("_strength"))


def add_strengths(parser) -> None:
    """Adds the flags, `--edit-strength` and `--translation-strength`, to a parser."""
    for field in STRENGTHS:
        text = f"{field.metadata['help']}, {field.metadata['range'].text} (default: the run's)"
        parser.add_argument(schema.flag(field), metavar="VALUE", help=text)


def strengths_given(parsed) -> dict[str, float]:
    """{setting: value} of the flags that were given.

    Raises:
        UsageError: one is not a number, or out of range.
    """
    texts = {field: getattr(parsed, field.name) for field in STRENGTHS}
    return {
        field.name: schema.parse(field, text, schema.flag(field))
        for field, text in texts.items()
        if text is not None
    }
