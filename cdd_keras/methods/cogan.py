"""CoGAN: two GANs that share their high-level layers, and so draw pairs without seeing any.

Liu and Tuzel, "Coupled Generative Adversarial Networks" (NIPS 2016), equation 2:

    max_g min_f  V(f1, f2, g1, g2) = E[-log f1(x1)] + E[-log(1 - f1(g1(z))]
                                   + E[-log f2(x2)] + E[-log(1 - f2(g2(z))]

and section 4.1, unsupervised domain adaptation: a class head on the discriminators' shared last
layers learns from the labelled source and reads the target. The authors' code also has those
layers see the two images of a pair alike.
"""

from cdd_keras.domains import DOMAINS, NOISE, SOURCE, TARGET
from cdd_keras.methods.cdd_gan import NOISE_SHAPE, prior
from cdd_keras.methods.cdd_paper import critic_terms, player_terms
from cdd_keras.networks import CodeGenerator, Discriminator
from cdd_keras.objective import Phase, Player, Recipe, Term, Traits
from cdd_keras.terms import alike

__all__ = ["networks", "prior", "recipe"]

TRAITS = Traits(shows_values=False)
PAIR_WEIGHT = 10.0


def networks(config, classes):
    """A generator without values, and a discriminator whose class head is the classifier."""
    return {
        "generator": CodeGenerator(config, 0, NOISE_SHAPE),
        "discriminator": Discriminator(config, outputs=1, classes=classes),
    }


def recipe(config):
    """The generator fools; the discriminator tells apart and learns the source's labels."""
    generator, discriminator = [], []
    for domain in DOMAINS:
        images = ((NOISE, domain),)
        generator += player_terms(domain, images, config)
        discriminator += critic_terms(domain, images, config)
    pair = Term("pair", alike((NOISE, SOURCE), (NOISE, TARGET)), PAIR_WEIGHT)
    players = (
        Player("generator", ("generator",), tuple(generator)),
        Player("discriminator", ("discriminator",), (*discriminator, pair)),
    )
    return Recipe((Phase(0.0, players),))
