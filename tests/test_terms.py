"""Terms on routes with known answers: two examples, two values."""

import numpy as np
import tensorflow as tf

from cdd_keras import losses, terms
from cdd_keras.domains import ANY, OTHER, OWN, SOURCE, TARGET, Edit

LN2 = np.log(2)
TRANSLATION = (SOURCE, TARGET)
EDIT = Edit(TRANSLATION, ANY)


def picture(*levels):
    return tf.constant(levels, tf.float32)[:, None, None, None] * tf.ones((1, 2, 2, 3))


class KnownRoutes:
    """Hands out what it is given, by name and address."""

    def __init__(self, confident=(1.0, 1.0), **known):
        self.known = known
        self.certain = tf.constant(confident)

    def __getattr__(self, name):
        return lambda *key: self.known[name][key[0] if len(key) == 1 else key]

    def confident(self):
        return self.certain

    def target_belief(self):
        return tf.constant([[0.9, 0.1], [0.2, 0.8]])

    def rows(self, values, edit):
        start, end = (int(part * len(values)) for part in edit.rows)
        return values[start:end]

    def taught_logits(self, *group):
        return [self.known["taught"][address] for address in group]


def check(loss, routes, expected):
    value = loss(routes)
    assert value.dtype == tf.float32
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-7)


def test_reconstruction():
    image = {(SOURCE,): picture(0, 0.5), (SOURCE, SOURCE): picture(0, -0.5), EDIT: picture(1, 0)}
    check(terms.reconstruct(SOURCE), KnownRoutes(image=image), [0, 1])
    squared = terms.reconstruct(SOURCE, losses.squared_error, EDIT)
    check(squared, KnownRoutes(image=image), [1, 0.25])


def test_divergence():
    posterior = {(TARGET,): (tf.constant([[0.0], [2.0]]), tf.zeros((2, 1)))}
    check(terms.divergence(TARGET), KnownRoutes(posterior=posterior), [0, 2])


def test_the_code_is_kept_by_moving_the_translations():
    original, moved = tf.constant([[0.0], [1.0]]), tf.constant([[0.0], [3.0]])
    posterior = {(SOURCE,): (original, None), TRANSLATION: (moved, None)}
    routes = KnownRoutes(posterior=posterior)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([original, moved])
        loss = terms.keep_code(TRANSLATION)(routes)
    np.testing.assert_array_equal(loss, [0, 2])
    assert tape.gradient(loss, original) is None
    np.testing.assert_array_equal(tape.gradient(loss, moved), [[0], [1]])


# Outputs for value 0, value 1 and none.
OUTPUTS = tf.constant([[0.0, 1.0, 3.0], [2.0, -1.0, 1.0]])


def realness(**more):
    outputs = {(SOURCE,): OUTPUTS, (TARGET,): OUTPUTS, TRANSLATION: OUTPUTS, EDIT: OUTPUTS}
    return KnownRoutes(realness=outputs, value={EDIT: tf.constant([1, 0])}, **more)


def test_generated_images_want_the_output_of_what_they_show():
    check(terms.fool(TRANSLATION), realness(), [4, 0])
    check(terms.fool(EDIT), realness(), [0, 1])
    check(terms.generated(TRANSLATION), realness(), [9, 1])
    check(terms.generated(EDIT), realness(), [1, 4])


def test_several_addresses_are_one_batch():
    check(terms.fool(TRANSLATION, EDIT), realness(), [4, 0, 0, 1])


def test_real_images_are_real_for_none_and_for_their_value():
    values = {((SOURCE,), OWN): tf.constant([1, 0]), ((SOURCE,), OTHER): tf.constant([0, 1])}
    routes = realness(values=values)
    check(terms.real(SOURCE), routes, [4, 0])
    check(terms.real(SOURCE, OWN), routes, [0, 1])
    check(terms.real(SOURCE, OTHER, 0.0), routes, [0, 1])


def test_negatives_count_where_the_belief_is_confident():
    values = {((TARGET,), OTHER): tf.constant([1, 0])}
    negative = terms.confident_negative(TARGET, OTHER)
    believed = {TARGET: tf.constant([0, 1])}
    check(negative, realness(values=values, label=believed), [1, 4])
    check(negative, realness(values=values, label=believed, confident=(0.0, 1.0)), [0, 4])


def test_no_negative_is_taken_from_a_value_drawn_against_the_belief():
    values = {((TARGET,), OTHER): tf.constant([0, 0])}
    routes = realness(values=values, label={TARGET: tf.constant([1, 1])})
    np.testing.assert_array_equal(terms.confident_negative(TARGET, OTHER)(routes)[0], 0)


def test_a_single_output_serves_every_value():
    routes = KnownRoutes(realness={EDIT: OUTPUTS[:, :1]}, value={EDIT: tf.constant([1, 1])})
    check(terms.fool(EDIT), routes, [1, 1])


def test_the_cost_can_be_chosen():
    routes = KnownRoutes(realness={TRANSLATION: tf.zeros((2, 1))})
    check(terms.fool(TRANSLATION, cost=losses.logistic_realness), routes, [LN2, LN2])
    check(terms.generated(TRANSLATION, cost=losses.logistic_realness), routes, [LN2, LN2])


def test_gradient_penalty():
    routes = KnownRoutes(realness_gradient={(SOURCE,): picture(0, 1)})
    check(terms.penalise_gradient(SOURCE), routes, [0, 6])


def test_identity_is_of_its_part_of_the_batch():
    edit = Edit((SOURCE, SOURCE), OWN, (0.0, 0.5))
    image = {(SOURCE,): picture(0.5, 9), edit: picture(0.25)}
    check(terms.identity(SOURCE, (0.0, 0.5)), KnownRoutes(image=image), [0.25])


def test_what_was_changed_is_restored():
    changed = Edit((TARGET, TARGET), OTHER, (0.5, 1.0))
    image = {(TARGET,): picture(9, 0.5), Edit((changed, TARGET), OWN): picture(-0.5)}
    check(terms.restore(TARGET, (0.5, 1.0)), KnownRoutes(image=image), [1])


def test_a_null_edit_costs_nothing():
    image = {TRANSLATION: picture(0.5, 0.5), EDIT: picture(0.5, 0.0)}
    check(terms.small_change(EDIT), KnownRoutes(image=image), [0, 0.5])


def test_the_price_of_a_change_does_not_move_the_base():
    base, edited = picture(0.5, 0.5), picture(0.0, 0.0)
    with tf.GradientTape() as tape:
        tape.watch([base, edited])
        loss = terms.small_change(EDIT)(KnownRoutes(image={TRANSLATION: base, EDIT: edited}))
    assert [slope is None for slope in tape.gradient(loss, [base, edited])] == [True, False]


def test_an_edit_shows_its_value():
    logits = {EDIT: tf.constant([[0.0, 0.0], [100.0, 0.0]])}
    routes = KnownRoutes(value={EDIT: tf.constant([1, 0])}, read_logits=logits)
    check(terms.show_value(EDIT), routes, [LN2, 0])


GROUP = (TRANSLATION, (TARGET,))
TAUGHT = {TRANSLATION: tf.constant([[0.0, 9.0], [0.0, 0.0]]), (TARGET,): tf.zeros((2, 2))}


EVEN = {domain: tf.fill((2,), -tf.math.log(2.0)) for domain in (SOURCE, TARGET)}


def test_classification_by_the_label_of_where_a_path_begins():
    known = {"label": {SOURCE: tf.constant([0, 1])}, "log_frequencies": EVEN}
    routes = KnownRoutes(taught=TAUGHT, **known)
    check(terms.classify(GROUP, TRANSLATION), routes, [9 + np.log1p(np.exp(-9)), LN2])


def test_a_classifier_that_sees_nothing_need_not_know_what_is_frequent():
    # Flat logits already give the frequencies' own entropy: the least there is without looking.
    frequencies = {SOURCE: tf.math.log([0.9, 0.1])}
    known = {"label": {SOURCE: tf.constant([0, 1])}, "log_frequencies": frequencies}
    flat = tf.zeros((2, 2))
    with tf.GradientTape() as tape:
        tape.watch(flat)
        loss = terms.classify((TRANSLATION,), TRANSLATION)(
            KnownRoutes(taught={TRANSLATION: flat}, **known)
        )
        expected = tf.reduce_sum(loss * [0.9, 0.1])
    np.testing.assert_allclose(loss, -np.log([0.9, 0.1]), rtol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(tape.gradient(expected, flat), 0), 0, atol=1e-6)


def test_self_training_takes_the_belief_where_it_is_confident():
    certain = {**TAUGHT, (TARGET,): tf.constant([[0.0, 0.0], [100.0, 0.0]])}
    loss = terms.self_train(GROUP, (TARGET,))
    check(loss, KnownRoutes(taught=certain, log_frequencies=EVEN), [LN2, 100])
    unsure = KnownRoutes(taught=certain, log_frequencies=EVEN, confident=(1.0, 0.0))
    check(loss, unsure, [LN2, 0])


class Shift:
    DIRECT = "direct"

    def __init__(self, *values):
        self.values = tf.constant(values, tf.float32)

    def shift(self, name):
        return {"direct": self.values}[name]


def test_information_is_the_entropy_where_nothing_is_read_too_often():
    readings = {(TARGET,): tf.constant([[0.0, 0.0], [100.0, 0.0]])}
    routes = KnownRoutes(taught=readings, log_frequencies=EVEN)
    routes.belief = Shift(0.0, 0.0)
    check(terms.inform(((TARGET,),), (TARGET,)), routes, [LN2, 0])


def test_information_charges_what_is_read_too_often():
    readings = {(TARGET,): tf.constant([[100.0, 0.0], [0.0, 100.0]])}
    routes = KnownRoutes(taught=readings, log_frequencies=EVEN)
    # The first value is read twice as often as it is believed to occur.
    routes.belief = Shift(-LN2, LN2)
    check(terms.inform(((TARGET,),), (TARGET,)), routes, [LN2, -LN2])


def test_an_origin_is_one_of_the_outputs():
    routes = KnownRoutes(realness={TRANSLATION: tf.constant([[9.0, 0.0], [0.0, 0.0]])})
    check(terms.origin(TRANSLATION, 1), routes, [9 + np.log1p(np.exp(-9)), LN2])


def test_a_pair_is_seen_alike():
    features = {TRANSLATION: picture(1, 0), (SOURCE, SOURCE): picture(0.5, 0)}
    routes = KnownRoutes(critic_features=features)
    check(terms.alike((SOURCE, SOURCE), TRANSLATION), routes, [0.5, 0])


def test_the_critic_says_source():
    logits = {(domain,): tf.constant([0.0, 9.0]) for domain in (SOURCE, TARGET)}
    sure = np.log1p(np.exp(-9))
    loss = terms.tell_domains(SOURCE, TARGET)
    check(loss, KnownRoutes(domain_logits=logits), [LN2, sure, LN2, 9 + sure])


def test_encoded_features_tell_the_label():
    logits = {(SOURCE,): tf.constant([[0.0, 9.0], [0.0, 0.0]])}
    routes = KnownRoutes(encoded_logits=logits, label={SOURCE: tf.constant([0, 1])})
    check(terms.classify_encoded(SOURCE), routes, [9 + np.log1p(np.exp(-9)), LN2])


def test_a_translation_has_a_divergence_too():
    posterior = {TRANSLATION: (tf.constant([[1.0], [2.0]]), tf.zeros((2, 1)))}
    check(terms.divergence(*TRANSLATION), KnownRoutes(posterior=posterior), [0.5, 2])


def test_constancy_may_be_squared():
    codes = {(SOURCE,): (tf.constant([[0.0], [1.0]]), None)}
    codes[TRANSLATION] = (tf.constant([[0.0], [3.0]]), None)
    loss = terms.keep_code(TRANSLATION, losses.squared_error)
    check(loss, KnownRoutes(posterior=codes), [0, 4])
