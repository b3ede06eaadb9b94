"""The upper reference, marked as such: `source_only` that is told the target's labels too."""

from cdd_keras.domains import DOMAINS
from cdd_keras.methods.source_only import prior
from cdd_keras.networks import Classifier
from cdd_keras.objective import Phase, Player, Recipe, Term, Traits
from cdd_keras.terms import classify

__all__ = ["networks", "prior", "recipe"]

# The one method that reads target labels in training; the pipeline gives them to no other.
TRAITS = Traits(reads_target_labels=True)


def networks(config, classes):
    """The classifier of `cdd`, with parts private to a domain."""
    return {"classifier": Classifier(config, classes, private=True)}


def recipe(config):
    """Cross-entropy on the labelled images of both domains."""
    terms = tuple(
        Term(f"labelled_{domain}", classify(((domain,),), (domain,))) for domain in DOMAINS
    )
    return Recipe((Phase(0.0, (Player("classifier", ("classifier",), terms),)),))
