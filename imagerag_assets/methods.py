"""The names of the search methods and of their legs. Nothing heavy is imported: the command line starts with it."""

from __future__ import annotations

from typing import Literal, get_args

Leg = Literal["clip", "description", "text"]

Method = Literal["clip", "description", "text", "rrf", "hybrid"]
METHODS: tuple[Method, ...] = get_args(Method)
