"""AC-GAN: a GAN of the source alone, whose discriminator tells the value too.

Odena, Olah and Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs" (ICML 2017):

    L_S = E[log P(real | x)] + E[log P(generated | G(z, l))]
    L_C = E[log P(L = l | x)] + E[log P(L = l | G(z, l))]

the discriminator ascends L_S + L_C, the generator L_C - L_S.
"""

from cdd_keras.domains import ANY, NOISE, SOURCE, Edit
from cdd_keras.methods.cdd_gan import NOISE_SHAPE, prior
from cdd_keras.methods.cdd_paper import critic_terms, player_terms
from cdd_keras.networks import CodeGenerator, Discriminator
from cdd_keras.objective import Phase, Player, Recipe, Term, Traits
from cdd_keras.terms import show_value

__all__ = ["networks", "prior", "recipe"]

TRAITS = Traits(reads=(SOURCE,), draws=(SOURCE,))
SAMPLES = (Edit((NOISE, SOURCE), ANY),)


def networks(config, classes):
    """`cdd_gan`'s, of one domain."""
    domains = (SOURCE,)
    return {
        "generator": CodeGenerator(config, classes, NOISE_SHAPE, domains),
        "discriminator": Discriminator(config, outputs=1, classes=classes, domains=domains),
    }


def recipe(config):
    """The value is a term of both players, and weighs as much as realness."""
    value = Term("value", show_value(*SAMPLES), config.adversarial_weight)
    generator = (value, *player_terms(SOURCE, SAMPLES, config))
    discriminator = (value, *critic_terms(SOURCE, SAMPLES, config))
    players = (
        Player("generator", ("generator",), generator),
        Player("discriminator", ("discriminator",), discriminator),
    )
    return Recipe((Phase(0.0, players),))
