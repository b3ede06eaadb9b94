"""One training step of `cdd` with edits, written straightforwardly.

Each image, posterior and realness is computed once and used by whichever loss asks for it; three
players take their gradients from the one forward pass. Draws are made in the order in which
cdd_keras makes them, so that a recorded step can be replayed.
"""

import copy
import functools

import torch
from torch import nn
from torch.nn import functional

from peer.augment import jitter_colour, move, shift
from peer.belief import Belief
from peer.blocks import to_image
from peer.draws import Draws
from peer.networks import DOMAINS, SOURCE, TARGET, Classifier, Discriminator, Encoder, Generator

LIGHT_SHIFT = 1 / 16
HIDING_NOISE = 0.05
NETWORKS = ("encoder", "generator", "discriminator", "classifier")


def memoised(method):
    """Computes something at its first use in a step; no cycle of references keeps its tensors."""

    @functools.wraps(method)
    def lookup(self, *key):
        place = (method.__name__, *key)
        if place not in self._memo:
            self._memo[place] = method(self, *key)
        return self._memo[place]

    return lookup


def other(domain):
    return TARGET if domain == SOURCE else SOURCE


class Trainer:
    """Networks, averages, optimisers and belief.

    Args:
        config: the settings of cdd_keras as a dict.
        classes: number of attribute values.
        networks: {network: module}; averages begin as these.
        belief: seven arrays, see `Belief`.
        step: the step to begin at, late enough for all ramps to have ended.
        precision: "float32" or "mixed_bfloat16".
    """

    def __init__(self, config, classes, networks, belief, step, precision):
        self.config, self.classes, self.step = config, classes, step
        self.networks = networks
        self.averaged = copy.deepcopy(networks).requires_grad_(False)
        self.belief = Belief(belief, config)
        self.mixed = precision == "mixed_bfloat16"
        encoder, generator, discriminator, classifier = (
            list(networks[name].parameters()) for name in NETWORKS
        )
        adam = {"betas": (0.5, 0.99), "eps": 1e-7, "fused": True}
        self.players = {
            "generator": [*encoder, *generator],
            "discriminator": discriminator,
            "classifier": classifier,
        }
        self.optimizers = {
            "generator": torch.optim.Adam(
                self.players["generator"], lr=config["generator_rate"], **adam
            ),
            "discriminator": torch.optim.Adam(
                discriminator, lr=config["discriminator_rate"], **adam
            ),
            "classifier": torch.optim.AdamW(
                classifier, lr=config["classifier_rate"], weight_decay=1e-3, eps=1e-7, fused=True
            ),
        }
        self.kept = [*self.averaged.parameters(), *floating(self.averaged.buffers())]
        self.moving = [*networks.parameters(), *floating(networks.buffers())]
        self.calls = {
            "encode": networks["encoder"],
            "features": networks["generator"].features,
            "base": networks["generator"].base,
            "edit": networks["generator"].edit,
            "colour": jitter_colour,
            "teach": networks["classifier"].features,
        }

    def train_step(self, images, labels, draws=None):
        """Moves all players once.

        Args:
            images: {domain: uint8 (batch, channels, size, size), channels_last}.
            labels: int64 (batch,), the source's.

        Returns:
            {player: {term: loss}}, detached.
        """
        with torch.autocast("cpu", torch.bfloat16, enabled=self.mixed):
            forward = Forward(self, images, labels, draws or Draws())
            terms = objectives(forward)
        weights = {player: dict(weighted) for player, (weighted, _) in terms.items()}
        totals = {
            player: sum(weights[player][name] * loss for name, loss in losses.items())
            for player, (_, losses) in terms.items()
        }
        names = list(totals)
        for name in names:
            self.optimizers[name].zero_grad()
            # Not autograd.grad: what it gives may lie otherwise in memory than the weights, which
            # fused optimisers do not look at.
            totals[name].backward(inputs=self.players[name], retain_graph=name != names[-1])
        nn.utils.clip_grad_norm_(self.players["generator"], self.config["clip_norm"])
        for optimizer in self.optimizers.values():
            optimizer.step()
        decay = min(self.config["ema"], (1.0 + self.step) / (10.0 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.kept, self.moving, 1.0 - decay)
        self.step += 1
        return {
            player: {name: loss.detach() for name, loss in losses.items()}
            for player, (_, losses) in terms.items()
        }


def build_networks(config, classes):
    """{network: module} of the default's design, in channels_last."""
    channels, size = config["channels"], config["image_size"]
    generator = Generator(channels, config["code_size"], config["residual_blocks"], classes)
    networks = nn.ModuleDict(
        {
            "encoder": Encoder(channels, config["code_size"]),
            "generator": generator,
            "discriminator": Discriminator(config["discriminator_channels"], size, classes + 1),
            "classifier": Classifier(channels, size, classes),
        }
    )
    return networks.to(memory_format=torch.channels_last)


def floating(buffers):
    return [buffer for buffer in buffers if buffer.is_floating_point()]


class Forward:
    """What the losses ask for, each computed once."""

    def __init__(self, trainer, images, labels, draws):
        self.config, self.classes = trainer.config, trainer.classes
        self.networks, self.averaged = trainer.networks, trainer.averaged
        self.belief, self.draws, self.calls = trainer.belief, draws, trainer.calls
        self.labels = labels
        self.count, self.size = len(labels), self.config["image_size"]
        self.rest = slice(self.count // 2, None)
        self.kept = slice(0, self.count // 2)
        self.given = {domain: images[domain].float() / 127.5 - 1.0 for domain in DOMAINS}
        self._memo = {}

    @property
    def light(self):
        return round(LIGHT_SHIFT * self.size)

    @memoised
    def real(self, domain):
        return shift(self.given[domain], self.draws, self.light, flip=self.config["flip"])

    @memoised
    def posterior(self, domain):
        return self.calls["encode"](self.real(domain), domain)

    @memoised
    def code(self, domain):
        return self.drawn_code(*self.posterior(domain))

    def drawn_code(self, mean, log_var):
        return mean + torch.exp(0.5 * log_var) * self.draws.normal(mean.shape)

    @memoised
    def features(self, domain):
        return self.calls["features"](self.code(domain))

    @memoised
    def base(self, start, domain):
        return to_image(self.calls["base"](self.features(start), domain))

    @memoised
    def posterior_of_base(self, start, domain):
        return self.calls["encode"](self.base(start, domain), domain)

    # Values.

    def label(self, domain):
        return self.labels if domain == SOURCE else self.believed_label()

    @memoised
    def believed(self):
        """What the target is taken to show: float32 (batch, classes)."""
        self.belief.count(self.labels)
        read = self.averaged["classifier"]
        with torch.no_grad():
            readings = {
                "direct": read(self.real(TARGET), TARGET),
                "as_source": read(self.real(TARGET), SOURCE),
                "translated": read(self.base(TARGET, SOURCE).detach(), SOURCE),
            }
        return self.belief.probabilities(readings)

    @memoised
    def believed_label(self):
        return self.draws.categories(self.believed())

    def confident(self):
        return (self.believed().amax(-1) > self.config["belief_confidence"]).float()

    def another(self, domain):
        """A value that images do not show, drawn."""
        own = self.label(domain)
        return (own + self.draws.integers(own.shape, 1, self.classes)) % self.classes

    @memoised
    def other_value(self, domain):
        return self.another(domain)[self.rest]

    @memoised
    def any_value(self, domain):
        return self.draws.integers((self.count,), 0, self.classes)

    # Edits.

    @memoised
    def edits(self, domain):
        """The later half with another value, and the other domain's images with any.

        Drawn, judged and read apart: as one batch, as ours are, they took PyTorch a quarter
        longer.
        """
        features = self.features(domain)[self.rest], self.features(other(domain))
        pairs = zip(features, self.edits_values(domain), strict=True)
        return [self.calls["edit"](*pair, domain) for pair in pairs]

    def edits_values(self, domain):
        return self.other_value(domain), self.any_value(domain)

    @memoised
    def kept_edit(self, domain):
        """The first half with the value it has."""
        values = self.label(domain)[self.kept]
        return self.calls["edit"](self.features(domain)[self.kept], values, domain)

    def restored(self, domain):
        """The later half, its own value drawn again into what was changed."""
        image = self.edits(domain)[0].detach()
        image = image + HIDING_NOISE * self.draws.normal(image.shape)
        code = self.drawn_code(*self.calls["encode"](image, domain))
        values = self.label(domain)[self.rest]
        return self.calls["edit"](self.calls["features"](code), values, domain)

    # Readings.

    def light_view(self, image):
        """What the discriminator sees of an image."""
        if self.config["colour_jitter"]:
            image = self.calls["colour"](image, self.draws)
        return shift(image, self.draws, self.light)

    @memoised
    def real_realness(self, domain):
        return self.networks["discriminator"](self.light_view(self.real(domain)), domain)

    @memoised
    def generated_realness(self, domain):
        """Outputs for the base, and for the edits."""
        views = [self.light_view(self.base(other(domain), domain))]
        views += [self.light_view(image) for image in self.edits(domain)]
        base, *edits = (self.networks["discriminator"](view, domain) for view in views)
        return base, torch.cat(edits)

    def strong_view(self, images):
        flip = self.config["flip"]
        # The classifier sees grey alone: one channel to move.
        images = images.mean(1, keepdim=True)
        return move(images, self.draws, self.size / 10, scale=0.075, rotation=0.1, flip=flip)

    def read_edits(self, domain):
        views = [self.strong_view(image) for image in self.edits(domain)]
        return torch.cat([self.networks["classifier"](view, domain) for view in views])

    def taught(self, images, domain):
        view = self.strong_view(images.detach())
        return self.networks["classifier"](view, domain, self.draws)

    @memoised
    def target_logits(self):
        """Of translations and real images as one batch."""
        images = torch.cat([self.base(SOURCE, TARGET), self.real(TARGET)])
        return self.taught(images, TARGET).chunk(2)

    def slope_penalty(self, domain):
        """R1 on real images, for outputs of random signs."""
        images = self.real(domain).detach().requires_grad_()
        outputs = self.networks["discriminator"](images, domain)
        signs = 2.0 * self.draws.integers(outputs.shape, 0, 2) - 1.0
        (slope,) = torch.autograd.grad((outputs * signs).sum(), images, create_graph=True)
        return 0.5 * slope.square().sum((1, 2, 3))


def pick(outputs, values):
    return outputs.gather(1, values[:, None])[:, 0]


def distance(expected, actual):
    return (expected - actual).abs().mean()


def squared(outputs, goal):
    return (outputs - goal).square()


def objectives(forward):
    """{player: ({term: weight}, {term: loss})}, in the order of cdd_keras's recipe."""
    config = forward.config
    generator, discriminator, realness = {}, {}, {}
    for domain in DOMAINS:
        generator |= base_terms(forward, domain, realness)
        generator |= edit_terms(forward, domain, realness)
    for domain in DOMAINS:
        discriminator |= realness_terms(forward, domain, realness)
    named = {
        "reconstruction": "reconstruction_weight",
        "kl": "kl_weight",
        "latent": "latent_weight",
        "realness": "adversarial_weight",
        "edit": "edit_adversarial_weight",
        "value": "class_weight",
        "identity": "identity_weight",
        "restore": "restore_weight",
        "change": "change_weight",
        "real": "adversarial_weight",
        "generated": "adversarial_weight",
        "own_value": "edit_adversarial_weight",
        "edited": "edit_adversarial_weight",
        "r1": "r1_weight",
        "translated": "translated_class_weight",
        "self_training": "self_training_weight",
        "information": "information_weight",
    }
    weights = {name: config[key] for name, key in named.items()}
    weights["wrong_value"] = config["edit_adversarial_weight"] * config["wrong_value_weight"]
    weights["labelled"] = 1.0

    def weight(term):
        name = term.removesuffix(f"_{SOURCE}").removesuffix(f"_{TARGET}")
        return weights[name]

    found = {
        "generator": generator,
        "discriminator": discriminator,
        "classifier": classifier_terms(forward),
    }
    return {
        player: ({name: weight(name) for name in losses}, losses)
        for player, losses in found.items()
    }


def base_terms(forward, domain, realness):
    away = other(domain)
    real = forward.real(domain)
    terms = {f"reconstruction_{domain}": distance(real, forward.base(domain, domain))}
    mean, log_var = forward.posterior(domain)
    divergence = 0.5 * (mean.square() + log_var.exp() - 1.0 - log_var).sum((1, 2, 3))
    terms[f"kl_{domain}"] = divergence.mean()
    original = forward.posterior(away)[0].detach()
    again = forward.posterior_of_base(away, domain)[0]
    terms[f"latent_{domain}"] = distance(original, again)
    outputs, _ = forward.generated_realness(domain)
    realness[domain] = {"base": outputs[:, -1]}
    terms[f"realness_{domain}"] = squared(outputs[:, -1], 1.0).mean()
    return terms


def edit_terms(forward, domain, realness):
    away = other(domain)
    _, outputs = forward.generated_realness(domain)
    values = torch.cat(forward.edits_values(domain))
    realness[domain]["edits"] = pick(outputs, values)
    terms = {f"edit_{domain}": squared(realness[domain]["edits"], 1.0).mean()}
    terms[f"value_{domain}"] = functional.cross_entropy(forward.read_edits(domain), values)
    real, own_base = forward.real(domain), forward.base(domain, domain).detach()
    kept = forward.kept_edit(domain)
    terms[f"identity_{domain}"] = distance(real[forward.kept], kept)
    terms[f"restore_{domain}"] = distance(real[forward.rest], forward.restored(domain))
    bases = torch.cat([own_base, forward.base(away, domain).detach()])
    terms[f"change_{domain}"] = distance(bases, torch.cat([kept, *forward.edits(domain)]))
    return terms


def realness_terms(forward, domain, realness):
    outputs = forward.real_realness(domain)
    terms = {f"real_{domain}": squared(outputs[:, -1], 1.0).mean()}
    terms[f"generated_{domain}"] = realness[domain]["base"].square().mean()
    own = pick(outputs, forward.label(domain))
    terms[f"own_value_{domain}"] = squared(own, 1.0).mean()
    wrong = pick(outputs, forward.another(domain)).square()
    if domain == TARGET:
        believed = forward.believed().argmax(-1)
        wrong = wrong * forward.confident() * (forward.label(TARGET) == believed)
    terms[f"wrong_value_{domain}"] = wrong.mean()
    terms[f"edited_{domain}"] = realness[domain]["edits"].square().mean()
    terms[f"r1_{domain}"] = forward.slope_penalty(domain).mean()
    return terms


def classifier_terms(forward):
    belief = forward.belief
    labelled = forward.taught(forward.real(SOURCE), SOURCE)
    shown = belief.log_frequencies("shown_source")
    terms = {"labelled": functional.cross_entropy(labelled + shown, forward.labels)}
    translated, real = forward.target_logits()
    terms["translated"] = functional.cross_entropy(translated + shown, forward.labels)
    real = real + belief.log_frequencies("target")
    believed = forward.believed().argmax(-1)
    costs = functional.cross_entropy(real, believed, reduction="none")
    terms["self_training"] = (forward.confident() * costs).mean()
    logs = torch.log_softmax(real, -1)
    excess = -belief.shift("direct")
    terms["information"] = (logs.exp() * (excess - logs)).sum(-1).mean()
    return terms
