"""DANN: features that tell the attribute and do not tell the domain.

Ganin et al., "Domain-Adversarial Training of Neural Networks" (JMLR 2016), equation 9:

    E(f, y, d) = L_y(f, y) - lambda L_d(f, d),  lambda = 2 / (1 + exp(-10 p)) - 1

at the part p of the run; features f and classifier y descend, the domain critic d ascends. One
player does both, since the critic's gradient is turned round on its way into the features.
"""

from cdd_keras.domains import DOMAINS, SOURCE
from cdd_keras.methods.source_only import prior
from cdd_keras.networks import Classifier, DomainCritic
from cdd_keras.objective import Phase, Player, Recipe, Term
from cdd_keras.terms import classify, tell_domains

__all__ = ["networks", "prior", "recipe"]

# At 1 the classifier of real faces learnt less (docs/methods.md).
DOMAIN_WEIGHT = 0.1


def networks(config, classes):
    """One classifier but for its batch norms, and a critic of its features."""
    classifier = Classifier(config, classes, private=True, private_stems=False)
    return {"classifier": classifier, "domain_critic": DomainCritic(config, classifier.length)}


def recipe(config):
    """Cross-entropy of the attribute on the source, and of the domain on both."""
    terms = (
        Term("labelled", classify(((SOURCE,),), (SOURCE,))),
        Term("domains", tell_domains(*DOMAINS), DOMAIN_WEIGHT),
    )
    return Recipe((Phase(0.0, (Player("classifier", ("classifier", "domain_critic"), terms),)),))
