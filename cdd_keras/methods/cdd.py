"""CDD by base and edit: the recipe measured in method.md, "What works".

Liu et al. (CVPR 2018) tie the domains by shared high-level layers. Here the generator draws a
base image that never sees the attribute and edits it; the target's attribute is believed through
its translation to the source, and a classifier of its own learns from both.
"""

from cdd_keras.domains import ANY, DOMAINS, OTHER, OWN, SOURCE, TARGET, Edit, other
from cdd_keras.layers.sampling import FittedPrior
from cdd_keras.networks import Classifier, Discriminator, EditGenerator, Encoder, code_shape
from cdd_keras.objective import Phase, Player, Recipe, Term, Traits
from cdd_keras.terms import (
    classify,
    confident_negative,
    divergence,
    fool,
    generated,
    identity,
    inform,
    keep_code,
    penalise_gradient,
    real,
    reconstruct,
    restore,
    self_train,
    show_value,
    small_change,
)

TRAITS = Traits(reads_through_source=True)
SOURCE_VIEWS = ((SOURCE,),)
TARGET_VIEWS = ((SOURCE, TARGET), (TARGET,))


def networks(config, classes):
    """Encoder, base-and-edit generator, a realness output a value, and a classifier.

    The classifier is the discriminator's class head where `classifier_trunk` is "shared".
    """
    shared = config.classifier_trunk == "shared"
    parts = {
        "encoder": Encoder(config),
        "generator": EditGenerator(config, classes),
        "discriminator": Discriminator(config, classes + 1, classes if shared else None),
    }
    return parts if shared else {**parts, "classifier": Classifier(config, classes, private=True)}


def prior(config):
    """Fitted to the codes after training: a spatial code drawn from N(0, I) gives mush."""
    return FittedPrior(code_shape(config))


def recipe(config):
    """First base images alone at half the cost a step, then edits as well."""
    without_edits = _phase(0.0, config, edits=False)
    if config.edit_start >= 1:
        return Recipe((without_edits,))
    with_edits = _phase(config.edit_start, config, edits=True)
    return Recipe((without_edits, with_edits) if config.edit_start > 0 else (with_edits,))


def _phase(start, config, edits):
    generator, discriminator = [], []
    for domain in DOMAINS:
        generator += _base_terms(domain, config)
        discriminator += _realness_terms(domain, config, edits)
        if edits:
            generator += _edit_terms(domain, config)
    together = tuple(
        ((other(domain), domain), *(_edited(domain) if edits else ())) for domain in DOMAINS
    )
    generators = Player("generator", ("encoder", "generator"), tuple(generator))
    classifier = _classifier_terms(config)
    if config.classifier_trunk == "shared":
        critic = Player("discriminator", ("discriminator",), (*discriminator, *classifier))
        return Phase(start, (generators, critic), together)
    critic = Player("discriminator", ("discriminator",), tuple(discriminator))
    reader = Player("classifier", ("classifier",), classifier)
    return Phase(start, (generators, critic, reader), together)


def _edited(domain):
    """A domain's edits: the later half of its images with another value, and all translations."""
    own = (domain, domain)
    return (Edit(own, OTHER, (0.5, 1.0)), Edit((other(domain), domain), ANY))


def _base_terms(domain, config):
    path = (other(domain), domain)
    return [
        Term(f"reconstruction_{domain}", reconstruct(domain), config.reconstruction_weight),
        Term(f"kl_{domain}", divergence(domain), config.kl_weight),
        Term(f"latent_{domain}", keep_code(path), config.latent_weight),
        Term(f"realness_{domain}", fool(path), config.adversarial_weight),
    ]


def _edit_ramp(domain, config):
    # The target's edits follow the source's, whose labels are certain.
    delay = 0.75 * config.ramp if domain == TARGET else 0.0
    start = config.edit_start + delay
    return (min(1.0, start), min(1.0, start + config.ramp))


def _edit_terms(domain, config):
    edits = _edited(domain)
    kept = (Edit((domain, domain), OWN, (0.0, 0.5)), *edits)
    ramp = _edit_ramp(domain, config)
    return [
        Term(f"edit_{domain}", fool(*edits), config.edit_adversarial_weight, ramp),
        Term(f"value_{domain}", show_value(*edits), config.class_weight, ramp),
        Term(f"identity_{domain}", identity(domain, (0.0, 0.5)), config.identity_weight, ramp),
        Term(f"restore_{domain}", restore(domain, (0.5, 1.0)), config.restore_weight, ramp),
        Term(f"change_{domain}", small_change(*kept), config.change_weight, ramp),
    ]


def _realness_terms(domain, config, edits):
    terms = [
        Term(f"real_{domain}", real(domain), config.adversarial_weight),
        Term(f"generated_{domain}", generated((other(domain), domain)), config.adversarial_weight),
    ]
    weight = config.edit_adversarial_weight
    negative = real(domain, OTHER, 0.0) if domain == SOURCE else confident_negative(domain, OTHER)
    if edits or domain == SOURCE:
        terms += [
            Term(f"own_value_{domain}", real(domain, OWN), weight),
            Term(f"wrong_value_{domain}", negative, weight * config.wrong_value_weight),
        ]
    if edits:
        terms.append(Term(f"edited_{domain}", generated(*_edited(domain)), weight))
    if config.r1_weight > 0:
        terms.append(Term(f"r1_{domain}", penalise_gradient(domain), config.r1_weight))
    return terms


def _classifier_terms(config):
    return (
        Term("labelled", classify(SOURCE_VIEWS, (SOURCE,))),
        Term(
            "translated",
            classify(TARGET_VIEWS, (SOURCE, TARGET)),
            config.translated_class_weight,
            ramp=(0.0, config.ramp),
        ),
        Term(
            "self_training",
            self_train(TARGET_VIEWS, (TARGET,)),
            config.self_training_weight,
            ramp=(0.0, config.ramp),
        ),
        Term(
            "information",
            inform(TARGET_VIEWS, (TARGET,)),
            config.information_weight,
            ramp=(0.0, config.ramp),
        ),
    )
