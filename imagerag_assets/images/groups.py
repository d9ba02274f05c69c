"""From pairs to groups: near pairs and a person's decisions in, a group and a canonical image for each image out."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from imagerag_assets.images.duplicates import NearPair

GROUPING_VERSION = 2


@dataclass(frozen=True)
class Rank:
    """What decides which image of a group is canonical: most pixels, then seen first, then the smaller hash."""

    pixels: int
    first_seen: datetime


@dataclass(frozen=True)
class Membership:
    """One image's place: `distance` to the canonical image is 1 − similarity; 1 where only a person's word ties it."""

    content: str
    canonical: str
    relation: str
    distance: float


@dataclass(frozen=True)
class Decisions:
    """What people said: pairs that are the same picture, and pairs that are not. These win over the rules."""

    same: Sequence[tuple[str, str]] = ()
    different: Sequence[tuple[str, str]] = ()

    def contradiction(self) -> tuple[str, str] | None:
        """A pair that is called different and is the same by way of others; None when all can be had."""
        unit_of = self.units()
        return next((pair for pair in self.different if unit_of[pair[0]] == unit_of[pair[1]]), None)

    def units(self) -> Mapping[str, str]:
        """Content → the name of what a person joined it to; its own where no one did."""
        parent: dict[str, str] = {}

        def root(content: str) -> str:
            while parent.setdefault(content, content) != content:
                # In two lines: a chained assignment would first change the content that it then assigns for.
                parent[content] = parent[parent[content]]
                content = parent[content]
            return content

        for one, other in self.same:
            low, high = sorted((root(one), root(other)))
            parent[high] = low
        return _Units({content: root(content) for content in list(parent)})


class _Units(dict[str, str]):
    def __missing__(self, content: str) -> str:
        return content


def group(ranks: Mapping[str, Rank], pairs: Iterable[NearPair], decisions: Decisions) -> list[Membership]:
    """A membership for every image of `ranks`; pairs and decisions about others are passed over.

    What people joined is one unit. Units are visited from the best canonical candidate down; each that is in no group
    yet founds one, and takes in, nearest first, the free images that are linked to a member *and* near the canonical
    image itself: a group is transitive and still has a radius. It never takes in what a person called different from
    one of its members. The result does not depend on the order of the input.
    """
    graph = _Graph(ranks, pairs, decisions)
    found: dict[str, Membership] = {}
    for founder in sorted(ranks, key=graph.order):
        if founder not in found:
            for member in graph.grow(founder, found):
                found[member.content] = member
    return sorted(found.values(), key=lambda member: member.content)


@dataclass
class _Graph:
    ranks: Mapping[str, Rank]
    pairs: Iterable[NearPair]
    decisions: Decisions
    near: dict[str, dict[str, NearPair]] = field(default_factory=lambda: defaultdict(dict))
    foes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    members_of_unit: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for pair in self.pairs:
            if pair.a in self.ranks and pair.b in self.ranks:
                self.near[pair.a][pair.b] = self.near[pair.b][pair.a] = pair
        self.unit_of = self.decisions.units()
        for content in self.ranks:
            self.members_of_unit[self.unit_of[content]].append(content)
        for one, other in self.decisions.different:
            self.foes[self.unit_of[one]].add(self.unit_of[other])
            self.foes[self.unit_of[other]].add(self.unit_of[one])

    def order(self, content: str) -> tuple[int, datetime, str]:
        """Sorts the best canonical candidate first."""
        rank = self.ranks[content]
        return (-rank.pixels, rank.first_seen, content)

    def grow(self, canonical: str, taken: Mapping[str, Membership]) -> Iterable[Membership]:
        """The members of the group that `canonical` founds, itself first. `taken` is not changed meanwhile."""
        members = {canonical: Membership(canonical, canonical, "canonical", 0.0)}
        units: set[str] = set()
        waiting = [(0.0, canonical)]
        while waiting:
            _, content = heapq.heappop(waiting)
            unit = self.unit_of[content]
            if unit in units or self.foes[unit] & units:
                continue
            units.add(unit)
            for one in self.members_of_unit[unit]:
                members.setdefault(one, self._membership(one, canonical, by_hand=one != content))
                for other, pair in self.near[one].items():
                    way_in = self.near[canonical].get(other)
                    if pair.linked and way_in and other not in taken and other not in members:
                        heapq.heappush(waiting, (1 - way_in.similarity, other))
        return members.values()

    def _membership(self, content: str, canonical: str, *, by_hand: bool) -> Membership:
        pair = self.near[canonical].get(content)
        if pair is None:
            return Membership(content, canonical, "joined", 1.0)
        relation = "joined" if by_hand and not pair.linked else pair.relation
        return Membership(content, canonical, relation, 1 - pair.similarity)
