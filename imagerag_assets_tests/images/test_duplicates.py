"""Groups of duplicates: the same whatever the order, never chained, and never over different words."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from imagerag_assets.images import duplicates
from imagerag_assets.images.duplicates import Fingerprints, Membership, group_duplicates
from imagerag_assets.images.hashing import colour_layout, perceptual_hashes
from imagerag_assets.settings import Dedup
from imagerag_assets_tests.pictures import draw

RULES = Dedup()
NO_WORDS: frozenset[str] = frozenset()


def fingerprints(
    pictures: Sequence[Image.Image],
    *,
    words: Sequence[frozenset[str]] | None = None,
    vectors: np.ndarray | None = None,
) -> Fingerprints:
    """Named a, b, c, … with the real hashes and colours; vectors at right angles unless they are given."""
    hashes = [perceptual_hashes(picture) for picture in pictures]
    unrelated = np.eye(len(pictures), dtype=np.float32)
    return Fingerprints(
        contents=[chr(ord("a") + number) for number in range(len(pictures))],
        pixels=[picture.width * picture.height for picture in pictures],
        phash=np.packbits([one for one, _ in hashes], axis=1),
        dhash=np.packbits([other for _, other in hashes], axis=1),
        colours=np.array([list(colour_layout(picture)) for picture in pictures], dtype=np.uint8),
        vectors=unrelated if vectors is None else vectors,
        words=words or [NO_WORDS] * len(pictures),
    )


def groups(members: Sequence[Membership]) -> dict[str, str]:
    return {member.content: member.canonical for member in members}


@st.composite
def anything(draw_: st.DrawFn) -> Fingerprints:
    """Hashes and vectors close together, so that near pairs, chains and ties are common."""
    count = draw_(st.integers(1, 12))
    masks = st.integers(0, 63).map(lambda bit: 1 << bit)
    bits = [[sum(set(draw_(st.lists(masks, max_size=7)))) for _ in range(count)] for _ in range(2)]
    hashes = [np.array(one, dtype=">u8").view(np.uint8).reshape(-1, 8) for one in bits]
    angles = np.array(draw_(st.lists(st.integers(0, 6), min_size=count, max_size=count))) * 0.15
    vocabulary = st.frozensets(st.sampled_from(["error", "disk", "full", "access", "denied", "retry"]), max_size=5)
    return Fingerprints(
        contents=[f"{number:03d}" for number in draw_(st.permutations(range(count)))],
        pixels=draw_(st.lists(st.integers(1, 3), min_size=count, max_size=count)),
        phash=hashes[0],
        dhash=hashes[1],
        colours=np.full((count, 32), 128, dtype=np.uint8),
        vectors=np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32),
        words=draw_(st.lists(vocabulary, min_size=count, max_size=count)),
    )


def reordered(images: Fingerprints, order: Sequence[int]) -> Fingerprints:
    rows = list(order)
    return Fingerprints(
        [images.contents[row] for row in rows],
        [images.pixels[row] for row in rows],
        images.phash[rows],
        images.dhash[rows],
        images.colours[rows],
        images.vectors[rows],
        [images.words[row] for row in rows],
    )


@given(images=anything(), data=st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_the_order_of_the_images_does_not_matter(images: Fingerprints, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(images.contents))))
    found, again = (group_duplicates(one, RULES) for one in (images, reordered(images, order)))
    assert [(m.content, m.canonical, m.relation) for m in found] == [
        (m.content, m.canonical, m.relation) for m in again
    ]


@given(images=anything())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_every_member_is_near_the_canonical_image_itself_and_groups_do_not_chain(images: Fingerprints) -> None:
    members = group_duplicates(images, RULES)
    assert sorted(member.content for member in members) == sorted(images.contents)
    row = {content: number for number, content in enumerate(images.contents)}
    canonical_of = groups(members)
    for member in members:
        one, other = row[member.content], row[member.canonical]
        assert canonical_of[member.canonical] == member.canonical
        if one == other:
            assert (member.relation, member.distance) == ("canonical", 0)
            continue
        phash, dhash = (
            int(np.unpackbits(hashes[one] ^ hashes[other]).sum()) for hashes in (images.phash, images.dhash)
        )
        cosine = float(images.vectors[one] @ images.vectors[other])
        shared = images.words[one] & images.words[other]
        shorter = min(len(images.words[one]), len(images.words[other]))
        assert shorter < duplicates._FEW_WORDS or len(shared) / shorter >= RULES.word_overlap
        assert dhash <= RULES.dhash_distance
        if member.relation == "perceptual":
            assert phash <= RULES.phash_distance
            assert member.distance == phash
        else:
            assert member.relation == "semantic"
            assert cosine >= RULES.cosine - 1e-6
            assert phash <= RULES.far_phash_distance
        # The canonical image is the better one: more pixels, then the smaller name.
        better = [(-images.pixels[place], images.contents[place]) for place in (other, one)]
        assert better[0] < better[1]


def test_copies_of_another_size_or_compression_are_folded_behind_the_largest() -> None:
    picture = draw(1, (800, 480))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=50)
    pictures = [
        picture.resize((400, 240), Image.Resampling.LANCZOS),
        Image.open(buffer).convert("RGB").resize((640, 384)),
        picture,
        draw(2, (800, 480)),
    ]
    assert groups(group_duplicates(fingerprints(pictures), RULES)) == {"a": "c", "b": "c", "c": "c", "d": "d"}


def dialog(text: str) -> Image.Image:
    picture = Image.new("RGB", (640, 400), (236, 233, 216))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, 640, 40), fill=(0, 84, 227))
    pen.rectangle((270, 330, 370, 370), outline="black")
    pen.text((40, 160), text, font=ImageFont.load_default(18), fill="black")
    return picture


def test_dialogs_that_look_alike_and_say_different_things_stay_apart() -> None:
    texts = ["The network path was not found.", "Access to the printer is denied.", "The network path was not found"]
    words = [frozenset(text.strip(".").lower().split()) for text in texts]
    pictures = [dialog(text) for text in texts]
    parallel = np.ones((3, 1), dtype=np.float32)

    without_words = group_duplicates(fingerprints(pictures, vectors=parallel), RULES)
    assert len(set(groups(without_words).values())) == 1, "the pictures are meant to look alike"
    found = groups(group_duplicates(fingerprints(pictures, words=words, vectors=parallel), RULES))
    assert found == {"a": "a", "b": "b", "c": "a"}


def test_parallel_vectors_do_not_fold_pictures_that_look_nothing_alike() -> None:
    pictures = [draw(1), draw(2)]
    parallel = np.ones((2, 1), dtype=np.float32)
    assert len(set(groups(group_duplicates(fingerprints(pictures, vectors=parallel), RULES)).values())) == 2


def test_more_images_than_a_block_are_compared_with_all_others() -> None:
    rng = np.random.default_rng(0)
    count = 1100
    hashes = rng.integers(0, 256, size=(count, 8), dtype=np.uint8)
    hashes[1050] = hashes[700]
    images = Fingerprints(
        contents=[f"{number:04d}" for number in range(count)],
        pixels=[1] * count,
        phash=hashes,
        dhash=hashes,
        colours=np.full((count, 32), 128, dtype=np.uint8),
        vectors=np.ones((count, 1), dtype=np.float32),
        words=[NO_WORDS] * count,
    )
    assert groups(group_duplicates(images, RULES))["1050"] == "0700"


def test_no_images_have_no_groups() -> None:
    empty = np.zeros((0, 8), dtype=np.uint8)
    assert group_duplicates(Fingerprints([], [], empty, empty, empty, np.zeros((0, 1), np.float32), []), RULES) == []


def test_the_same_picture_in_another_colour_is_another_picture() -> None:
    blue, green = (Image.new("RGB", (400, 300), colour) for colour in ("#0067c0", "#107030"))
    for screen in (blue, green):
        ImageDraw.Draw(screen).text(
            (40, 60), "Your device needs to restart", font=ImageFont.load_default(24), fill="white"
        )
    assert len(set(groups(group_duplicates(fingerprints([blue, green]), RULES)).values())) == 2

    brighter = blue.point(lambda value: min(255, value + 25))
    assert set(groups(group_duplicates(fingerprints([blue, brighter]), RULES)).values()) == {"a"}
