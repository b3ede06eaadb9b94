"""Losses bound to routes. Each function returns a loss: Routes -> float32 (batch,)."""

import tensorflow as tf

from cdd_keras import losses
from cdd_keras.domains import OTHER, OWN, SOURCE, TARGET, Edit


def reconstruct(domain, error=losses.absolute_error, address=None):
    """The reconstruction of a real image is that image: L_perc with the identity as feature map."""
    address = address or (domain, domain)
    return lambda routes: error(routes.image((domain,)), routes.image(address))


def divergence(*path):
    """KL to N(0, I) of the posterior of the image at a path, summed over the code."""
    return lambda routes: losses.kl_divergence(*routes.posterior(path))


def keep_code(path, error=losses.absolute_error):
    """A translation's code is its original's, so content survives and the base holds no value."""

    def loss(routes):
        original = tf.stop_gradient(routes.posterior(path[:1])[0])
        return error(original, routes.posterior(path)[0])

    return loss


def fool(*addresses, cost=losses.least_squares_realness):
    """Generated images of one domain look real to the discriminator."""
    return lambda routes: _over(addresses, lambda a: cost(_output(routes, a), 1.0))


def real(domain, which=None, goal=1.0, cost=losses.least_squares_realness):
    """A real image is real for the output of `which` value; of none if it is None.

    With goal 0 it is a negative of that output: a real face without glasses is no face with.
    """

    def loss(routes):
        return cost(_realness_of(routes, (domain,), which), goal)

    return loss


def confident_negative(domain, which, cost=losses.least_squares_realness):
    """`real` with goal 0 where the belief is confident, and the value drawn is the believed one.

    Of images believed at 0.81 a fifth are drawn another value: the output of what they very
    likely are is not to be taught on them as false.
    """

    def loss(routes):
        believed = tf.argmax(routes.target_belief(), -1, tf.int32)
        sure = routes.confident() * tf.cast(routes.label(domain) == believed, tf.float32)
        return sure * cost(_realness_of(routes, (domain,), which), 0.0)

    return loss


def generated(*addresses, cost=losses.least_squares_realness):
    """Generated images of one domain are told from real ones by the discriminator."""
    return lambda routes: _over(addresses, lambda a: cost(_output(routes, a), 0.0))


def origin(address, which):
    """Of the discriminator's outputs, `which` is where the image comes from (a cost of DTN)."""

    def loss(routes):
        outputs = routes.realness(address)
        return losses.cross_entropy(tf.fill(tf.shape(outputs)[:1], which), outputs)

    return loss


def alike(first, second):
    """The discriminator's shared layers see a pair of generated images alike.

    Liu et al., "Unsupervised Image-to-Image Translation Networks" (NIPS 2017), section 5: it
    ties the class head's reading in one domain to that in the other.
    """

    def loss(routes):
        features = [routes.critic_features(address) for address in (first, second)]
        return losses.absolute_error(*(tf.cast(one, tf.float32) for one in features))

    return loss


def penalise_gradient(domain):
    """R1 on real images (Mescheder et al., ICML 2018)."""
    return lambda routes: losses.gradient_penalty(routes.realness_gradient((domain,)))


def identity(domain, rows):
    """An image given the value it has comes back unchanged."""
    edit = Edit((domain, domain), OWN, rows)

    def loss(routes):
        expected = routes.rows(routes.image((domain,)), edit)
        return losses.absolute_error(expected, routes.image(edit))

    return loss


def restore(domain, rows):
    """An image whose value was changed comes back when its own value is drawn into it again.

    The attribute's cycle (StarGAN, Choi et al., CVPR 2018, eq. 4), and what teaches an edit how
    the real thing looks: glasses taken off a real face are drawn back, pixel by pixel. The
    changed image is taken as given, so nothing is gained by hiding in it what was there.
    """
    changed = Edit((domain, domain), OTHER, rows)

    def loss(routes):
        expected = routes.rows(routes.image((domain,)), changed)
        return losses.absolute_error(expected, routes.image(Edit((changed, domain), OWN)))

    return loss


def small_change(*edits):
    """A price on what an edit changes in its base."""

    def cost(routes, edit):
        base = tf.stop_gradient(routes.rows(routes.image(edit.path), edit))
        return losses.absolute_error(base, routes.image(edit))

    return lambda routes: _over(edits, lambda edit: cost(routes, edit))


def show_value(*edits):
    """An edit shows the value it was given, as the classifier reads it."""

    def cost(routes, edit):
        return losses.cross_entropy(routes.value(edit), routes.read_logits(edit))

    return lambda routes: _over(edits, lambda edit: cost(routes, edit))


def classify(group, address):
    """The classifier learns the label of `address`, taught in one batch with its `group`.

    Cross-entropy of logits to which the logarithm of each value's frequency is added (Menon et
    al., "Long-tail learning via logit adjustment", ICLR 2021, eq. 10): the logits themselves leave
    it out, so decisions by them treat a rare value like any other.
    """

    def loss(routes):
        domain = address[0]
        logits = routes.taught_logits(*group)[group.index(address)]
        logits += routes.log_frequencies(domain)
        return losses.cross_entropy(routes.label(domain), logits)

    return loss


def classify_encoded(domain):
    """The features of the encoder tell the label of a domain's real images."""

    def loss(routes):
        return losses.cross_entropy(routes.label(domain), routes.encoded_logits((domain,)))

    return loss


def tell_domains(*domains):
    """The critic tells the domains of real images apart; the features learn against it.

    Ganin et al. (JMLR 2016), equation 9, whose sign the reversed gradient changes.
    """

    def loss(routes):
        goals = {domain: 1.0 if domain == SOURCE else 0.0 for domain in domains}
        costs = [losses.logistic_realness(routes.domain_logits((d,)), goals[d]) for d in domains]
        return tf.concat(costs, 0)

    return loss


def self_train(group, address):
    """FixMatch (Sohn et al., NeurIPS 2020): confident beliefs, taught on strong views."""

    def loss(routes):
        believed = tf.argmax(routes.target_belief(), -1, tf.int32)
        return routes.confident() * losses.cross_entropy(
            believed, _believed_logits(routes, group, address)
        )

    return loss


def inform(group, address):
    """Information maximisation on the target (SHOT, Liang et al., ICML 2020, eq. 3).

    Every image read with certainty, and all of them as often each value as is believed: entropy
    of a reading, plus its share of KL(mean reading || class frequencies). With even frequencies
    this is SHOT's. The mean is the belief's moving one, as a batch is small.
    """

    def loss(routes):
        readings = tf.nn.log_softmax(_believed_logits(routes, group, address))
        belief = routes.belief
        return losses.information_cost(readings, -belief.shift(belief.DIRECT))

    return loss


def _believed_logits(routes, group, address):
    """Logits of target images, with the frequencies that the target is believed to have."""
    logits = routes.taught_logits(*group)[group.index(address)]
    return logits + routes.log_frequencies(TARGET)


def _over(addresses, cost):
    return tf.concat([cost(address) for address in addresses], 0)


def _output(routes, address):
    """The realness output of an image: that of its value if it is an edit, else of none."""
    outputs = routes.realness(address)
    if isinstance(address, Edit):
        return _pick(outputs, routes.value(address))
    return outputs[:, -1]


def _realness_of(routes, path, which):
    outputs = routes.realness(path)
    return outputs[:, -1] if which is None else _pick(outputs, routes.values(path, which))


def _pick(outputs, values):
    # A discriminator with a single output has the same one for every value.
    if outputs.shape[-1] == 1:
        return outputs[:, 0]
    return tf.gather(outputs, values, batch_dims=1)
