"""The lower reference: the classifier of `cdd`, trained on the labelled source alone."""

from cdd_keras.domains import SOURCE
from cdd_keras.networks import Classifier
from cdd_keras.objective import Phase, Player, Recipe, Term
from cdd_keras.terms import classify


def networks(config, classes):
    """One classifier for both domains: nothing private could be learnt for the target."""
    return {"classifier": Classifier(config, classes, private=False)}


def prior(config):
    """No generator, no prior."""


def recipe(config):
    """Cross-entropy on labelled source images, under the augmentation every method gets."""
    player = Player(
        "classifier", ("classifier",), (Term("labelled", classify(((SOURCE,),), (SOURCE,))),)
    )
    return Recipe((Phase(0.0, (player,)),))
