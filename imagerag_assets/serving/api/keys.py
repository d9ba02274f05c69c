"""Keys of the API: made once, shown once, kept as hashes.

A key is `imagerag_<id>_<secret>`. The id finds its row and names it in lists and logs; the secret is 256 random bits.
So one round of sha256 is the right hash: a slow one is for secrets that people choose and others guess, and would cost
a tenth of a second per request; nobody guesses 256 bits.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import psycopg
from psycopg.rows import class_row

from imagerag_assets.database.connection import Connection
from imagerag_assets.errors import SettingsError

Scope = Literal["read", "write"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
_PREFIX = "imagerag"
_LONGEST_NAME = 100
_COLUMNS = "key_id, name, scopes, created_at, last_used_at, revoked_at"


@dataclass(frozen=True)
class Key:
    """A key without its secret."""

    key_id: str
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def create(connection: Connection, name: str, scopes: Sequence[str]) -> tuple[Key, str]:
    """(the key's row, the key itself, which nobody can see again). Raises `SettingsError`."""
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise SettingsError(f"--name: a key's name is 1 to {_LONGEST_NAME} printable characters.")
    if not scopes or (unknown := sorted(set(scopes).difference(SCOPES))):
        raise SettingsError(f"--scope: {unknown[0] if scopes else ''!r} is no scope. There are {', '.join(SCOPES)}.")
    key_id = secrets.token_hex(6)
    token = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
    try:
        with connection.cursor(row_factory=class_row(Key)) as cursor:
            made = cursor.execute(
                f"insert into api_keys (key_id, name, hash, scopes) values (%s, %s, %s, %s) returning {_COLUMNS}",  # noqa: S608
                (key_id, name.strip(), _hash(token), sorted(set(scopes))),
            ).fetchone()
    except psycopg.errors.UniqueViolation:
        raise SettingsError(f"There is a key called {name!r} already. Revoke it, or choose another name.") from None
    if made is None:
        raise LookupError("an insert that returns its row gave none")
    return made, token


def all_keys(connection: Connection) -> list[Key]:
    """Every key that was ever made, the newest first."""
    with connection.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(f"select {_COLUMNS} from api_keys order by created_at desc, key_id").fetchall()  # noqa: S608


def revoke(connection: Connection, name: str) -> Key:
    """Take a key, by its id or its name, out of use at once. Raises `SettingsError`."""
    with connection.cursor(row_factory=class_row(Key)) as cursor:
        found = cursor.execute(
            "update api_keys set revoked_at = now() where key_id = ("  # noqa: S608
            "select key_id from api_keys where revoked_at is null and (key_id = %(name)s or name = %(name)s) "
            f"order by key_id <> %(name)s limit 1) returning {_COLUMNS}",
            {"name": name},
        ).fetchone()
    if found is None:
        raise SettingsError(f"There is no key {name!r} in use. See imagerag keys list.")
    return found


def verify(connection: Connection, token: str) -> Key | None:
    """The key in use that this is, or None. Marks it as used, to the minute."""
    parts = token.split("_", 2)
    if len(parts) != 3 or parts[0] != _PREFIX or not token.isascii() or not token.isprintable():
        return None
    row = connection.execute(
        f"select hash, {_COLUMNS} from api_keys where key_id = %s and revoked_at is null",  # noqa: S608
        (parts[1],),
    ).fetchone()
    # A time that tells how much of the hash was right would let it be found piece by piece.
    if row is None or not hmac.compare_digest(bytes(row[0]), _hash(token)):
        return None
    connection.execute(
        "update api_keys set last_used_at = now() "
        "where key_id = %s and (last_used_at is null or last_used_at < now() - interval '1 minute')",
        (parts[1],),
    )
    return Key(*row[1:])


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
