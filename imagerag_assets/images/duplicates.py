"""Which pairs of images show the same picture: the decision about candidates. No groups here.

Byte-identical files are one content from the start, so only different contents are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from imagerag_assets.images.alignment import Freedom, Likeness
from imagerag_assets.images.candidates import Candidate
from imagerag_assets.settings import Dedup

DEDUP_VERSION = 2
_FEW_WORDS = 3
# Ratio of matching letters (difflib) from which two words may be one, misread.
_MISREAD = 0.75


@dataclass(frozen=True)
class NearPair:
    """Two contents, `a` < `b`, that may share a group. `linked`: they show the same picture, each for itself."""

    a: str
    b: str
    relation: str
    similarity: float
    linked: bool


def freedom(rules: Dedup) -> Freedom:
    """What the rules allow to have been done to a copy."""
    return Freedom(turns=rules.orientations != "upright", mirrors=rules.orientations == "mirrored")


def decide(
    candidate: Candidate, likeness: Likeness, words: frozenset[str], other_words: frozenset[str], rules: Dedup
) -> NearPair | None:
    """The pair, if colours and words allow it and its likeness is enough for a group at least."""
    if likeness.similarity < rules.group_similarity or likeness.colour > rules.colour_distance:
        return None
    if not _same_words(words, other_words, rules.word_overlap):
        return None
    relation = "perceptual" if candidate.by_hash else "semantic"
    similarity = min(1.0, likeness.similarity)
    return NearPair(candidate.a, candidate.b, relation, similarity, similarity >= rules.similarity)


def _same_words(one: frozenset[str], other: frozenset[str], overlap: float) -> bool:
    """Whether the texts allow the images to be the same. With little text on either side they always do."""
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < _FEW_WORDS:
        return True
    shared = shorter & longer
    rest = sorted(longer - shared)
    # OCR misreads a letter or two in a smaller copy. In a number or a code every sign counts.
    misread = [word for word in shorter - shared if word.isalpha() and get_close_matches(word, rest, 1, _MISREAD)]
    return (len(shared) + len(misread)) / len(shorter) >= overlap
