"""DTN: a source classifier's features, fixed, drawn as images of the target.

Taigman, Polyak and Wolf, "Unsupervised Cross-Domain Image Generation" (ICLR 2017), equations 3
to 7, with G = g(f(x)), f fixed, and a discriminator of three outputs:

    L_D     = -E log D_1(G(s)) - E log D_2(G(t)) - E log D_3(t)
    L_G     = -E log D_3(G(s)) - E log D_3(G(t)) + alpha L_CONST + beta L_TID
    L_CONST = E |f(s) - f(G(s))|^2,  L_TID = E |t - G(t)|^2

alpha = beta = 15 and no total variation, as for digits. Section 5.1.1, domain adaptation: the
target's classifier is taught on the translated source images with their labels.
"""

from cdd_keras.domains import SOURCE, TARGET
from cdd_keras.losses import squared_error
from cdd_keras.networks import Classifier, CodeGenerator, Discriminator, FeatureEncoder
from cdd_keras.objective import Phase, Player, Recipe, Term, Traits
from cdd_keras.terms import classify, classify_encoded, keep_code, origin, reconstruct

TRAITS = Traits(draws=(TARGET,), shows_values=False)
TRANSLATION, IDENTITY, REAL = (SOURCE, TARGET), (TARGET, TARGET), (TARGET,)
ORIGINS = (TRANSLATION, IDENTITY, REAL)
CONSTANCY, TID = 15.0, 15.0
# Part of the run in which f is learned, before it is fixed.
FEATURES = 0.25


def networks(config, classes):
    """f, g, the discriminator of the target, and the classifier that is wanted."""
    encoder = FeatureEncoder(config, classes)
    return {
        "encoder": encoder,
        "generator": CodeGenerator(config, 0, (encoder.length,), (TARGET,)),
        "discriminator": Discriminator(config, outputs=len(ORIGINS), domains=(TARGET,)),
        "classifier": Classifier(config, classes, private=True),
    }


def prior(config):
    """None: it translates, and has no samples."""


def recipe(config):
    """First f from the labelled source; then the transfer, with f at rest."""
    labelled = Term("labelled", classify(((SOURCE,),), (SOURCE,)))
    translated = Term("translated", classify((TRANSLATION,), TRANSLATION))
    features = (Term("labelled", classify_encoded(SOURCE)),)
    return Recipe(
        (
            Phase(0.0, _players(features, (), (), (labelled,))),
            Phase(FEATURES, _players((), *_transfer(config), (labelled, translated))),
        )
    )


def _players(features, generator, discriminator, classifier):
    return (
        Player("features", ("encoder",), features),
        Player("generator", ("generator",), generator),
        Player("discriminator", ("discriminator",), discriminator),
        Player("classifier", ("classifier",), classifier),
    )


def _transfer(config):
    def told(address, which):
        name = f"{'-'.join(address)}_as_{which}"
        return Term(name, origin(address, which))

    generator = (
        Term("constancy", keep_code(TRANSLATION, squared_error), CONSTANCY),
        Term("identity", reconstruct(TARGET, squared_error), TID),
        *(told(address, ORIGINS.index(REAL)) for address in (TRANSLATION, IDENTITY)),
    )
    return generator, tuple(told(address, which) for which, address in enumerate(ORIGINS))
