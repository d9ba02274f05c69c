"""Vectors of queries' words, remembered: people page through results, try another method, and ask again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from imagerag_assets.models.checkpoints import FloatArray

_MOST = 1_000
_LONGEST_TEXT = 2_000
"""Characters. With vectors of 4 kB a thousand of them are 6 MB; what is longer is rarely asked twice."""


class WordsEncoder(Protocol):
    """What both encoders are to this."""

    @property
    def words_identity(self) -> str:
        """Equal for encoders that give the same vectors to the same words."""

    def encode_texts(self, texts: list[str]) -> FloatArray:
        """Encode to unit vectors, shape (n, dimension)."""


class QueryVectors:
    """The vectors that were used last, by model and text. Safe to share between threads."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._guard = threading.Lock()
        self._known: OrderedDict[tuple[str, str], FloatArray] = OrderedDict()

    def of(self, encoder: WordsEncoder, text: str) -> FloatArray:
        """The unit vector of a text, read-only, shape (dimension,)."""
        key = (encoder.words_identity, text)
        with self._guard:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        # Two threads may encode the same at once: both get the same vector.
        return self._encode(encoder, [text])[0]

    def learn(self, encoder: WordsEncoder, texts: Sequence[str]) -> None:
        """Encode in one batch what `of` is going to be asked for: half the time of one by one."""
        unknown = [text for text in dict.fromkeys(texts) if (encoder.words_identity, text) not in self._known]
        self._encode(encoder, unknown)

    def _encode(self, encoder: WordsEncoder, texts: list[str]) -> list[FloatArray]:
        encoded = encoder.encode_texts(texts)
        encoded.setflags(write=False)
        vectors = list(encoded)
        with self._guard:
            for text, vector in zip(texts, vectors, strict=True):
                if len(text) <= _LONGEST_TEXT:
                    self._known[(encoder.words_identity, text)] = vector
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return vectors


SHARED = QueryVectors()
"""Of this process."""
