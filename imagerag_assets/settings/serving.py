"""How the HTTP API is guarded."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from imagerag_assets.settings.section import Section


class Serving(Section):
    """How the HTTP API is guarded. Where it listens is said to `imagerag serve`."""

    authentication: Literal["keys", "off"] = "keys"
    """`off` lets everyone on this machine do everything; the server then listens on loopback only."""
    hosts: tuple[str, ...] = ()
    """Names that requests may call this server by, beside those of this machine itself; `*.example.com` is a domain's.
    None: on loopback those of this machine alone, elsewhere every name."""
    cors_origins: tuple[str, ...] = ()
    """Web pages of these origins, such as https://app.example.com, may call the API from a browser. None: no other."""
    behind_tls: bool = False
    """Browsers reach the page through a proxy that speaks TLS: its cookie is then for https alone."""
    max_upload_bytes: int = Field(default=32_000_000, ge=1_000, le=1_000_000_000)
    """Of one picture, in a query or to be indexed. A request's body may be 4/3 of it (base64) and 64 kB more."""
    max_query_characters: int = Field(default=2_000, ge=1, le=50_000)
    requests_per_minute: int = Field(default=600, ge=1)
    """Of one key, in each server process; a minute's worth may come at once."""
    timeout_seconds: float = Field(default=30.0, gt=0.0)
    """For a request's body to arrive, and then for the work on it."""
    answer_timeout_seconds: float = Field(default=120.0, gt=0.0)
    """The same for an answer, which a language model may write."""

    @field_validator("authentication", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: Any) -> Any:
        # YAML reads a bare `off` as false.
        return "off" if value is False else value

    @field_validator("hosts")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if not re.fullmatch(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]", host):
                raise ValueError(
                    f"{host!r} is no host name; write it without scheme and port, as in search.example.com"
                )
        return value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not re.fullmatch(r"https?://[^/?#@\s*]+", origin):
                raise ValueError(f"{origin!r} is no origin; write scheme and host, as in https://app.example.com")
        return value

    @property
    def max_body_bytes(self) -> int:
        """Of any request: a picture in base64, and the words beside it."""
        return 4 * -(-self.max_upload_bytes // 3) + 65_536
