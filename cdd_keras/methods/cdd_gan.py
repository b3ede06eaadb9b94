"""CDD-GAN, "Ours*" in the paper's tables: CDD without encoders, on samples alone."""

from cdd_keras.domains import ANY, DOMAINS, NOISE, Edit
from cdd_keras.layers.sampling import NormalPrior
from cdd_keras.methods.cdd_paper import critic_terms, player_terms
from cdd_keras.networks import CodeGenerator, Discriminator
from cdd_keras.objective import Phase, Player, Recipe, Term
from cdd_keras.terms import show_value

# A vector, as in the authors' code: spatial noise gave every sample the same patches.
NOISE_SHAPE = (100,)


def networks(config, classes):
    """The paper's generator and discriminator."""
    return {
        "generator": CodeGenerator(config, classes, NOISE_SHAPE),
        "discriminator": Discriminator(config, outputs=1, classes=classes),
    }


def prior(config):
    """A vector of N(0, I)."""
    return NormalPrior(NOISE_SHAPE)


def recipe(config):
    """L_G = L_dis + L_adv; L_D = L_dis - L_adv (Liu et al., CVPR 2018, section 3.2)."""
    generator, discriminator = [], []
    for domain in DOMAINS:
        images = (Edit((NOISE, domain), ANY),)
        value = Term(f"value_{domain}", show_value(*images), config.class_weight)
        generator += [value, *player_terms(domain, images, config)]
        discriminator += [value, *critic_terms(domain, images, config)]
    players = (
        Player("generator", ("generator",), tuple(generator)),
        Player("discriminator", ("discriminator",), tuple(discriminator)),
    )
    return Recipe((Phase(0.0, players),))
