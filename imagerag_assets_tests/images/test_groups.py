"""Groups: the same whatever the order, transitive within a radius, and never against a person's word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from imagerag_assets.images.duplicates import NearPair
from imagerag_assets.images.groups import Decisions, Membership, Rank, group

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
SAME_RANK = Rank(1, FIRST_DAY)


def pair(one: str, other: str, similarity: float = 0.95) -> NearPair:
    a, b = sorted((one, other))
    return NearPair(a, b, "perceptual", similarity, similarity >= 0.87)


def canonical_of(members: Sequence[Membership]) -> dict[str, str]:
    return {member.content: member.canonical for member in members}


def groups(names: str, pairs: Sequence[NearPair], decisions: Decisions = Decisions()) -> dict[str, str]:  # noqa: B008
    return canonical_of(group(dict.fromkeys(names, SAME_RANK), pairs, decisions))


@st.composite
def anything(draw: st.DrawFn) -> tuple[dict[str, Rank], list[NearPair], Decisions]:
    names = [chr(ord("a") + number) for number in range(draw(st.integers(1, 9)))]
    ranks = {name: Rank(draw(st.integers(1, 3)), FIRST_DAY + timedelta(days=draw(st.integers(0, 2)))) for name in names}
    both = st.sampled_from(names)
    couples = st.lists(st.tuples(both, both).filter(lambda two: two[0] != two[1]), max_size=14)
    similarity = st.sampled_from([0.78, 0.84, 0.88, 0.95, 1.0])
    pairs = {tuple(sorted(two)): pair(*two, draw(similarity)) for two in draw(couples)}
    decisions = Decisions()
    for verdict, two in draw(st.lists(st.tuples(st.booleans(), st.tuples(both, both)), max_size=4)):
        same, different = list(decisions.same), list(decisions.different)
        (same if verdict else different).append(two)
        if two[0] != two[1] and not Decisions(same, different).contradiction():
            decisions = Decisions(same, different)
    return ranks, list(pairs.values()), decisions


@given(case=anything(), data=st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_the_order_of_the_input_does_not_matter(
    case: tuple[dict[str, Rank], list[NearPair], Decisions], data: st.DataObject
) -> None:
    ranks, pairs, decisions = case
    names = data.draw(st.permutations(list(ranks)))
    again = group(
        {name: ranks[name] for name in names},
        data.draw(st.permutations(pairs)),
        Decisions(data.draw(st.permutations(decisions.same)), data.draw(st.permutations(decisions.different))),
    )
    assert again == group(ranks, pairs, decisions)


@given(case=anything())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_the_canonical_image_is_the_best_and_every_member_is_near_it(
    case: tuple[dict[str, Rank], list[NearPair], Decisions],
) -> None:
    ranks, pairs, decisions = case
    members = group(ranks, pairs, decisions)
    found = canonical_of(members)
    assert sorted(found) == sorted(ranks)
    near = {(one.a, one.b): one for one in pairs}
    unit_of = decisions.units()
    for member in members:
        one, other = sorted((member.content, member.canonical))
        assert found[member.canonical] == member.canonical
        if one == other:
            assert (member.relation, member.distance) == ("canonical", 0)
            continue
        best = min((one, other), key=lambda name: (-ranks[name].pixels, ranks[name].first_seen, name))
        assert best == member.canonical
        way_in = near.get((one, other))
        assert way_in or member.relation == "joined"
        if way_in:
            assert abs(member.distance - (1 - way_in.similarity)) < 1e-9
        else:
            # Only someone's word brings in what is not near: its own, or that about an image it was joined to.
            joined = [name for name in ranks if unit_of[name] == unit_of[member.content]]
            assert len(joined) > 1


@given(case=anything())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_what_people_decided_holds(case: tuple[dict[str, Rank], list[NearPair], Decisions]) -> None:
    ranks, pairs, decisions = case
    found = canonical_of(group(ranks, pairs, decisions))
    assert all(found[one] == found[other] for one, other in decisions.same)
    assert all(found[one] != found[other] for one, other in decisions.different)


def test_a_copy_of_a_copy_is_in_the_group_while_it_is_near_the_canonical_image() -> None:
    chain = [pair("a", "b"), pair("b", "c")]
    assert groups("abc", [*chain, pair("a", "c", 0.8)]) == {"a": "a", "b": "a", "c": "a"}
    assert groups("abc", chain) == {"a": "a", "b": "a", "c": "c"}, "too far from the canonical image"


def test_an_image_that_is_near_the_canonical_one_but_linked_to_no_member_stays_out() -> None:
    assert groups("ab", [pair("a", "b", 0.8)]) == {"a": "a", "b": "b"}


def test_the_largest_is_canonical_then_the_oldest_then_the_smaller_hash() -> None:
    old, new = FIRST_DAY, FIRST_DAY + timedelta(days=1)
    pairs = [pair("a", "b")]

    def canonical(**ranks: Rank) -> str:
        return canonical_of(group(ranks, pairs, Decisions()))["a"]

    assert canonical(a=Rank(1, old), b=Rank(2, new)) == "b"
    assert canonical(a=Rank(1, new), b=Rank(1, old)) == "b"
    assert canonical(a=Rank(1, old), b=Rank(1, old)) == "a"


def test_a_split_image_goes_and_the_others_stay() -> None:
    pairs = [pair("a", "b"), pair("a", "c"), pair("b", "c")]
    split = Decisions(different=[("a", "c"), ("b", "c")])
    assert groups("abc", pairs, split) == {"a": "a", "b": "a", "c": "c"}


def test_joined_images_share_a_group_that_no_rule_would_make() -> None:
    members = group(dict.fromkeys("abc", SAME_RANK), [], Decisions(same=[("a", "c")]))
    assert members == [
        Membership("a", "a", "canonical", 0.0),
        Membership("b", "b", "canonical", 0.0),
        Membership("c", "a", "joined", 1.0),
    ]


def test_whatever_the_order_all_that_people_joined_is_one_unit() -> None:
    # Each pair puts another image above the last one: the way to the first is longer than one step.
    assert set(Decisions(same=[("c", "d"), ("b", "c"), ("a", "b")]).units().values()) == {"a"}
    assert set(groups("abcd", [], Decisions(same=[("c", "d"), ("b", "c"), ("a", "b"), ("a", "d")])).values()) == {"a"}


def test_an_image_that_is_gone_still_ties_those_that_were_joined_to_it() -> None:
    assert groups("ac", [], Decisions(same=[("a", "b"), ("b", "c")])) == {"a": "a", "c": "a"}


def test_joined_one_by_one_and_split_apart_is_a_contradiction() -> None:
    same = [("a", "b"), ("b", "c")]
    assert Decisions(same, [("a", "c")]).contradiction() == ("a", "c")
    assert Decisions(same, [("a", "d")]).contradiction() is None
