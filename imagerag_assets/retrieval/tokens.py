"""Text → terms, the same for documents and queries."""

from __future__ import annotations

import re
import unicodedata

TOKENS_VERSION = 2
_TERM = re.compile(r"[a-z0-9]+")
_LONGEST = 200
"""A B-tree entry has to stay under a third of a page, and nobody searches for more."""


def terms(text: str) -> list[str]:
    """Lower-cased runs of letters and digits without accents: "L'accès à 0x80070035" → l, acces, a, 0x80070035.

    No stemming: error codes, names and part numbers are what the lexical leg is for, and they have no stem.
    """
    # In this order: what is one sign in print may be capitals when spelled out (№, ™).
    plain = unicodedata.normalize("NFKD", text).casefold()
    found = _TERM.findall("".join(char for char in plain if not unicodedata.combining(char)))
    return [term[:_LONGEST] for term in found]
