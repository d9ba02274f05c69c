"""Where images come from: the collections."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator

from imagerag_assets.settings.section import Section, check_language_codes

SAMPLE_SCHEME = "sample://"
"""A source or benchmark inside the sample corpus, which is drawn on first use."""
SAMPLE_COLLECTIONS = ("products", "real_estate", "it_support", "manufacturing")
SOURCE_SCHEMES = (SAMPLE_SCHEME, "s3://", "gs://", "az://")
_SECRET = re.compile(r"(?i)key|secret|token|passw|credential|sas|connection_string|authorization|signature|cookie")
_NO_SECRET_TOKENS = ("anon", "cloud", "google_default")
"""What gcsfs' `token` may be: the ways of signing in, none of which is a secret."""


class Collection(Section):
    """A named set of images with one source."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    source: str
    """A folder (searched recursively), a bucket with a prefix (`s3://`, `gs://`, `az://`), a manifest (.csv, .jsonl) in
    either, or `sample://<collection>`."""
    include: tuple[str, ...] = ()
    """Only files that match one of these globs; none: all. Without a slash a glob is for names at any depth."""
    ignore: tuple[str, ...] = ()
    """Files and folders that are passed over, even where `include` matches."""
    storage_options: dict[str, Any] = Field(default_factory=dict)
    """Handed to the bucket's fsspec library, such as endpoint_url. Never secrets: those are in the environment."""
    allow_private_hosts: bool = False
    """A manifest may name addresses of this machine and of the private network."""
    max_removed_share: float = Field(default=0.5, ge=0.0, le=1.0)
    """A listing that lacks more than this share of the known images (and 20 or more) stops with a question."""
    context: str = ""
    """One sentence told to the describer: what these images are for."""
    ocr_languages: tuple[str, ...] | None = None
    """Tesseract's codes for this collection; None: ocr.languages."""
    benchmark: str | None = None
    """A folder with queries.jsonl and qrels.tsv, or `sample://<collection>`."""

    @field_validator("source")
    @classmethod
    def _source_is_known(cls, value: str) -> str:
        scheme, found, address = value.partition("://")
        if not value.strip() or (found and not address.strip("/")):
            raise ValueError("names no folder, bucket or sample collection")
        if found and scheme in ("http", "https"):
            raise ValueError("a web address is no source: list the images' addresses in a manifest (.csv or .jsonl)")
        if found and f"{scheme}{found}" not in SOURCE_SCHEMES:
            raise ValueError(f"there is no source {scheme}://; there are {', '.join(SOURCE_SCHEMES)} and folders")
        # Only a bucket's address could hold one: key:secret@bucket.
        if found and "@" in address.partition("/")[0] and not scheme.startswith("az"):
            raise ValueError("holds credentials: put them into the environment of the bucket's library")
        return value

    @field_validator("include", "ignore")
    @classmethod
    def _globs_can_match(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if not pattern.strip("/"):
                raise ValueError("an empty pattern matches nothing")
            if any("**" in part and part != "**" for part in pattern.split("/")):
                raise ValueError(f"{pattern!r}: ** stands for whole folders only, as in **/*.jpg")
        return value

    @field_validator("ocr_languages")
    @classmethod
    def _languages_have_known_form(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if value is None else check_language_codes(value)

    @field_validator("storage_options")
    @classmethod
    def _no_secrets(cls, value: dict[str, Any]) -> dict[str, Any]:
        _refuse_secrets("", value)
        return value


def sample_collections() -> tuple[Collection, ...]:
    """The four collections of the sample corpus, each with its benchmark."""
    contexts = {
        "products": "Product photos of an online shop.",
        "real_estate": "Photos and plans of an estate agent.",
        "it_support": "Screenshots sent to a help desk, in English and French.",
        "manufacturing": "Inspection photos of machine parts.",
    }
    return tuple(
        Collection(name=name, source=SAMPLE_SCHEME + name, benchmark=SAMPLE_SCHEME + name, context=contexts[name])
        for name in SAMPLE_COLLECTIONS
    )


def _refuse_secrets(where: str, value: Any) -> None:
    """Raise `ValueError` for a key that looks like a secret's, or a URL with a password. Never quotes a value."""
    if isinstance(value, dict):
        for name, inside in value.items():
            known = f"{where}.{name}".strip(".")
            if _SECRET.search(str(name)) and inside is not None and inside not in _NO_SECRET_TOKENS:
                raise ValueError(
                    f"{known} looks like a secret, and the settings are no place for it: use the environment "
                    "(AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_CONNECTION_STRING, …)"
                )
            _refuse_secrets(known, inside)
    elif isinstance(value, list | tuple):
        for inside in value:
            _refuse_secrets(where, inside)
    elif isinstance(value, str) and re.search(r"://[^/]*@", value):
        raise ValueError(f"{where} holds credentials in its address: use the environment")
