"""UNIT: two VAE-GANs with one code, and cycles through the other domain.

Liu, Breuel and Kautz, "Unsupervised Image-to-Image Translation Networks" (NIPS 2017), equations
3 to 8. For each domain d with the other domain o:

    L_VAE = l1 KL(q_d(z | x) || N(0, I)) - l2 E[log p_d(x | z)]
    L_GAN = l0 E[log D_d(x)] + l0 E[log(1 - D_d(G_d(z_o)))]
    L_CC  = l3 KL(q_d(z | x) || N) + l3 KL(q_o(z | x_d->o) || N) - l4 E[log p_d(x | z_o)]

with Laplacian p, so L1. Section 5, "Domain adaptation": the class head sits on the
discriminators' shared layers, which see the two generated images of a pair alike.
"""

from cdd_keras.domains import DOMAINS, other
from cdd_keras.layers.sampling import FittedPrior
from cdd_keras.methods.cdd_paper import critic_terms, player_terms
from cdd_keras.methods.cogan import PAIR_WEIGHT
from cdd_keras.networks import CodeGenerator, Discriminator, Encoder, code_shape
from cdd_keras.objective import Phase, Player, Recipe, Term, Traits
from cdd_keras.terms import alike, divergence, reconstruct

TRAITS = Traits(shows_values=False)


def networks(config, classes):
    """`cdd`'s encoder, a generator without values, the class head on the discriminator."""
    return {
        "encoder": Encoder(config),
        "generator": CodeGenerator(config, 0),
        "discriminator": Discriminator(config, outputs=1, classes=classes),
    }


def prior(config):
    """Fitted after training, as `cdd`'s: a spatial code drawn from N(0, I) gives mush."""
    return FittedPrior(code_shape(config))


def recipe(config):
    """Encoder and generator as one player against the discriminator."""
    generator, discriminator = [], []
    for domain in DOMAINS:
        away = other(domain)
        generator += [
            Term(f"reconstruction_{domain}", reconstruct(domain), config.reconstruction_weight),
            Term(
                f"cycle_{domain}",
                reconstruct(domain, address=(domain, away, domain)),
                config.reconstruction_weight,
            ),
            Term(f"kl_{domain}", divergence(domain), config.kl_weight),
            Term(f"kl_translated_{domain}", divergence(domain, away), config.kl_weight),
            *player_terms(domain, ((away, domain),), config),
        ]
        discriminator += critic_terms(domain, ((away, domain),), config)
        pair = alike((domain, domain), (domain, away))
        discriminator.append(Term(f"pair_{domain}", pair, PAIR_WEIGHT))
    players = (
        Player("generator", ("encoder", "generator"), tuple(generator)),
        Player("discriminator", ("discriminator",), tuple(discriminator)),
    )
    return Recipe((Phase(0.0, players),))
