"""What the models of an export take: domains and labels, as numbers and as people call them."""

from collections.abc import Sequence

from serving.cli import UsageError, suggest

# Numbered by their place.
DOMAINS = ("source", "target")
# In place of a class's index: none, the base image; the one an image is judged to have.
NO_LABEL, KEEP_LABEL = -1, -2


def label_index(label: str, names: Sequence[str]) -> int:
    """The index of a class, given by its name without regard to case, or by its index.

    Raises:
        UsageError: there is none such.
    """
    known = [name.lower() for name in names]
    text = label.strip().lower()
    # A name first: digits are called by numbers.
    if text in known:
        return known.index(text)
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    hint = suggest(label, names)
    raise UsageError(f"No class is called {label!r}.{hint} Expected one of {', '.join(names)}.")


def domain_index(domain: str) -> int:
    """The number of a domain.

    Raises:
        UsageError: there is none such.
    """
    if domain not in DOMAINS:
        raise UsageError(f"No domain is called {domain!r}. Expected one of {', '.join(DOMAINS)}.")
    return DOMAINS.index(domain)
