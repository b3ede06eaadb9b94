"""InfoGAN: a GAN of the source alone that finds a code of its own, without any label.

Chen et al., "InfoGAN: Interpretable Representation Learning by Information Maximizing Generative
Adversarial Nets" (NIPS 2016), equations 5 and 6:

    min_{G,Q} max_D  V(D, G) - lambda E_{c, x = G(z, c)}[log Q(c | x)]

Q is the class head on the discriminator's trunk. Which code stands for which value is not
learned: reports name the codes by the permutation that fits the labels best.
"""

from dataclasses import replace

from cdd_keras.domains import SOURCE
from cdd_keras.methods import acgan
from cdd_keras.methods.acgan import SAMPLES, networks, prior
from cdd_keras.methods.cdd_paper import adversarial_terms, player_terms
from cdd_keras.objective import Phase, Player, Recipe, Term
from cdd_keras.terms import show_value

__all__ = ["networks", "prior", "recipe"]

TRAITS = replace(acgan.TRAITS, names_values=False)


def recipe(config):
    """The code is a term of both players, with lambda = 1; no label is read."""
    code = Term("code", show_value(*SAMPLES), config.adversarial_weight)
    generator = (code, *player_terms(SOURCE, SAMPLES, config))
    discriminator = (code, *adversarial_terms(SOURCE, SAMPLES, config))
    players = (
        Player("generator", ("generator",), generator),
        Player("discriminator", ("discriminator",), discriminator),
    )
    return Recipe((Phase(0.0, players),))
