"""A method as data: terms, the players that minimise them, and the phases of a run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cdd_keras.domains import DOMAINS, Address, last_domain


@dataclass(frozen=True)
class Term:
    """One weighted loss of a player.

    Args:
        name: how it is logged, unique within its player.
        loss: a function of `Routes` giving float32 (batch,); the model takes the mean.
        weight: its factor in the player's objective.
        ramp: (start, end) as fractions of the run between which the weight rises from 0.
    """

    name: str
    loss: Callable[[Any], Any]
    weight: float = 1.0
    ramp: tuple[float, float] | None = None

    def __post_init__(self):
        if self.weight < 0:
            raise ValueError(f"`weight` of term {self.name!r} is negative: {self.weight}.")
        if self.ramp is not None and not self.ramp[0] <= self.ramp[1]:
            raise ValueError(f"`ramp` of term {self.name!r} ends before it starts: {self.ramp}.")


@dataclass(frozen=True)
class Traits:
    """What a method can be asked for, and what it may see, beside what it minimises.

    Args:
        reads: the domains whose images it classifies.
        draws: the domains it draws images of, if it has a generator.
        shows_values: whether an image can be drawn with an attribute value of choice.
        names_values: whether its values are the labels' own; else they are codes it found.
        reads_through_source: whether it reads a target image through its translation too.
        reads_target_labels: whether it is told the target's labels: a reference, not a method.
    """

    reads: tuple[str, ...] = DOMAINS
    draws: tuple[str, ...] = DOMAINS
    shows_values: bool = True
    names_values: bool = True
    reads_through_source: bool = False
    reads_target_labels: bool = False


@dataclass(frozen=True)
class Player:
    """Networks that share an optimiser, and what they minimise; without terms they rest."""

    name: str
    networks: tuple[str, ...]
    terms: tuple[Term, ...]

    def __post_init__(self):
        names = [term.name for term in self.terms]
        if len(set(names)) < len(names):
            raise ValueError(f"Player {self.name!r} has two terms of one name: {sorted(names)}.")

    @property
    def labels(self):
        """What its terms are called beside those of other players, in their order."""
        return [f"{self.name}/{term.name}" for term in self.terms]


@dataclass(frozen=True)
class Phase:
    """What is minimised from `start`, a fraction of the run, on.

    Args:
        start: fraction of the run.
        players: who minimise it.
        together: groups of addresses, each of generated images of one domain, which are drawn,
            judged and read in one call each: larger convolutions, and fewer of them. The players
            must ask for all that is in a group, or it is computed for nothing.

    Raises:
        ValueError: a group has images of both domains or a real one, or an address is in two.
    """

    start: float
    players: tuple[Player, ...]
    together: tuple[tuple[Address, ...], ...] = ()

    def __post_init__(self):
        addresses = [address for group in self.together for address in group]
        if len(set(addresses)) < len(addresses):
            raise ValueError(f"An address is in two groups: {self.together}.")
        for group in self.together:
            real = any(isinstance(address, tuple) and len(address) == 1 for address in group)
            if real or len({last_domain(address) for address in group}) > 1:
                raise ValueError(f"Expected generated images of one domain. Received {group}.")

    def group_of(self, address):
        """The group that an address is in, or it alone."""
        for group in self.together:
            if address in group:
                return group
        return (address,)


@dataclass(frozen=True)
class Recipe:
    """The phases of a run, in order; every phase has the same players on the same networks.

    A phase of its own costs only what its terms ask for, where a term of weight zero would
    still cost its computation.

    Raises:
        ValueError: the phases do not start at 0 in rising order, differ in players, a network
            belongs to two players, or a player has nothing to minimise in any phase.
    """

    phases: tuple[Phase, ...]

    def __post_init__(self):
        starts = [phase.start for phase in self.phases]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise ValueError(f"Phases must start at 0 and in rising order, not at {starts}.")
        casts = {
            tuple((player.name, player.networks) for player in phase.players)
            for phase in self.phases
        }
        if len(casts) > 1:
            raise ValueError(f"The phases differ in their players: {sorted(casts)}.")
        owned = [name for player in self.players for name in player.networks]
        if len(set(owned)) < len(owned):
            raise ValueError(f"A network has two players: {owned}.")
        busy = {player.name for phase in self.phases for player in phase.players if player.terms}
        for player in self.players:
            if player.name not in busy:
                raise ValueError(f"Player {player.name!r} has no term to minimise.")

    @property
    def players(self):
        """The players of the first phase: in all phases the same but for their terms."""
        return self.phases[0].players

    @property
    def settled(self):
        """From which fraction of the run on everything is trained with its full weight."""
        last = self.phases[-1]
        ramps = [term.ramp for player in last.players for term in player.terms if term.ramp]
        return max([last.start, *(end for _, end in ramps)])

    def phase_at(self, fraction):
        """Index of the phase a fraction of the run falls in."""
        started = [index for index, phase in enumerate(self.phases) if phase.start <= fraction]
        return started[-1]
