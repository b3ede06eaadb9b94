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

# Both domains in one batch, so that batch norm sees the mixture it will read by.
VIEWS = tuple((domain,) for domain in DOMAINS)


def networks(config, classes):
    """One classifier for both domains, and a critic of its features."""
    classifier = Classifier(config, classes, private=False)
    return {"classifier": classifier, "domain_critic": DomainCritic(config, classifier.length)}


def recipe(config):
    """Cross-entropy of the attribute on the source, and of the domain on both."""
    terms = (
        Term("labelled", classify(VIEWS, (SOURCE,))),
        Term("domains", tell_domains(*VIEWS)),
    )
    return Recipe((Phase(0.0, (Player("classifier", ("classifier", "domain_critic"), terms),)),))
