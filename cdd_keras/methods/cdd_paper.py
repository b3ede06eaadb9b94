"""CDD as the slides state it: encoder, generator and discriminator, one update each a step.

    L_E = L_VAE;  L_G = L_perc + L_dis + L_adv;  L_D = L_dis - L_adv

Liu et al. (CVPR 2018), section 3, and method.md, "Objective (the slides' form)". All images are
generated with a chosen value. A target image has no label: it is reconstructed with a value drawn
from what is believed of it, the averaged class head's reading.
"""

from functools import partial

from cdd_keras import losses
from cdd_keras.domains import ANY, DOMAINS, NOISE, OWN, SOURCE, Edit, other
from cdd_keras.layers.sampling import NormalPrior
from cdd_keras.networks import CodeGenerator, Discriminator, Encoder, code_shape
from cdd_keras.objective import Phase, Player, Recipe, Term
from cdd_keras.terms import (
    classify,
    divergence,
    fool,
    generated,
    real,
    reconstruct,
    show_value,
)

COST = losses.logistic_realness


def networks(config, classes):
    """One generator fed the value, one discriminator with a realness and a class head."""
    return {
        "encoder": Encoder(config),
        "generator": CodeGenerator(config, classes),
        "discriminator": Discriminator(config, outputs=1, classes=classes),
    }


def prior(config):
    """N(0, I), as in the paper."""
    return NormalPrior(code_shape(config))


def recipe(config):
    """The slides' three players."""
    vae, perceptual, adversarial, class_terms, discrimination = [], [], [], [], []
    for domain in DOMAINS:
        own = Edit((domain, domain), OWN)
        images = (Edit((NOISE, domain), ANY), own, Edit((other(domain), domain), ANY))
        perceptual.append(
            Term(
                f"perceptual_{domain}",
                reconstruct(domain, losses.squared_error, own),
                config.reconstruction_weight,
            )
        )
        vae.append(Term(f"kl_{domain}", divergence(domain), config.kl_weight))
        adversarial += player_terms(domain, images, config)
        class_terms.append(Term(f"value_{domain}", show_value(*images), config.class_weight))
        discrimination += critic_terms(domain, images, config)
    return Recipe(
        (
            Phase(
                0.0,
                (
                    Player("encoder", ("encoder",), (*perceptual, *vae)),
                    Player("generator", ("generator",), (*perceptual, *class_terms, *adversarial)),
                    Player("discriminator", ("discriminator",), (*class_terms, *discrimination)),
                ),
            ),
        )
    )


def player_terms(domain, images, config):
    """What the generator wants of a domain's images beside their value: to look real."""
    return [Term(f"realness_{domain}", fool(*images, cost=COST), config.adversarial_weight)]


def critic_terms(domain, images, config):
    """What the discriminator wants: real from generated, and the labels there are."""
    terms = adversarial_terms(domain, images, config)
    if domain == SOURCE:
        terms.append(Term("labelled", classify(((SOURCE,),), (SOURCE,))))
    return terms


def adversarial_terms(domain, images, config):
    """Real from generated, without any label."""
    adversarial = partial(Term, weight=config.adversarial_weight)
    return [
        adversarial(f"real_{domain}", real(domain, cost=COST)),
        adversarial(f"generated_{domain}", generated(*images, cost=COST)),
    ]
