"""Vectors of words that were asked for before."""

from __future__ import annotations

import numpy as np
import pytest

from imagerag_assets.models.checkpoints import FloatArray
from imagerag_assets.models.dual_encoder import load_dual_encoder
from imagerag_assets.models.query_vectors import QueryVectors
from imagerag_assets.models.text_encoder import load_text_encoder


class Counting:
    """An encoder that counts what it encodes."""

    def __init__(self, identity: str = "m") -> None:
        self.words_identity = identity
        self.texts: list[str] = []

    def encode_texts(self, texts: list[str]) -> FloatArray:
        self.texts += texts
        return np.full((len(texts), 3), len(self.texts), dtype=np.float32)


def test_a_text_is_encoded_once_by_each_model() -> None:
    vectors, one, same, other = QueryVectors(), Counting(), Counting(), Counting("another")
    first = vectors.of(one, "red mug")
    assert vectors.of(one, "red mug") is first
    assert vectors.of(same, "red mug") is first
    vectors.of(other, "red mug")
    vectors.of(one, "blue mug")
    assert (one.texts, same.texts, other.texts) == (["red mug", "blue mug"], [], ["red mug"])
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 9


def test_what_was_used_least_lately_and_what_is_long_is_forgotten() -> None:
    vectors, model = QueryVectors(2), Counting()
    for text in ("a", "b", "a", "c", "a", "b", "x" * 3_000, "x" * 3_000):
        vectors.of(model, text)
    assert model.texts == ["a", "b", "c", "b", "x" * 3_000, "x" * 3_000]


def test_texts_that_are_learned_together_are_encoded_in_one_batch_and_asked_for_no_more() -> None:
    vectors, model = QueryVectors(), Counting()
    vectors.of(model, "a")
    vectors.learn(model, ["a", "b", "c", "b"])
    assert [vectors.of(model, text)[0] for text in ("a", "b", "c")] == [1, 3, 3]
    assert model.texts == ["a", "b", "c"]


def test_the_bundled_models_share_the_vectors_of_words_because_they_are_equal() -> None:
    dual, text = load_dual_encoder("bundled", None, "cpu"), load_text_encoder("bundled", None, "cpu")
    assert dual.words_identity == text.words_identity
    words = ["red mug on a wooden table", "le réseau est introuvable 0x80070035"]
    assert np.array_equal(dual.encode_texts(words), text.encode_texts(words))
    assert dual.identity != text.identity
