"""Settings of how a trained run is used, as flags of the commands that use it.

No loss reads them, so a finished run takes others than it was trained with.
"""

from dataclasses import fields

from cdd_keras import schema
from cdd_keras.config import Config

STRENGTHS = ("edit_strength", "translation_strength")
CLASS_PRIOR = "class_prior"


def add_use_flags(parser, *names: str) -> None:
    """Adds the flags of some settings, such as `--edit-strength`, to a parser."""
    for field in _fields(names):
        text = f"{field.metadata['help']}; {schema.expectation(field)} (default: the run's)"
        parser.add_argument(schema.flag(field), metavar="VALUE", help=text)


def use_settings(parsed) -> dict[str, float | str]:
    """{setting: value} of the flags that were given.

    Raises:
        UsageError: one is no value of its setting.
    """
    return {
        field.name: schema.parse(field, text, schema.flag(field))
        for field in _fields((*STRENGTHS, CLASS_PRIOR))
        if (text := getattr(parsed, field.name, None)) is not None
    }


def _fields(names):
    return [field for field in fields(Config) if field.name in names]
