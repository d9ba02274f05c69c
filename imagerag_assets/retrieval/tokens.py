"""Text → terms, the same for documents and queries."""

from __future__ import annotations

import re
import unicodedata

TOKENS_VERSION = 1
_TERM = re.compile(r"[a-z0-9]+")


def terms(text: str) -> list[str]:
    """Lower-cased runs of letters and digits without accents: "L'accès à 0x80070035" → l, acces, a, 0x80070035.

    No stemming: error codes, names and part numbers are what the lexical leg is for, and they have no stem.
    """
    # In this order: what is one sign in print may be capitals when spelled out (№, ™).
    plain = unicodedata.normalize("NFKD", text).casefold()
    return _TERM.findall("".join(char for char in plain if not unicodedata.combining(char)))
