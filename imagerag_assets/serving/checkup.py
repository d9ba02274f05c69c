"""What doctor looks at: one small function per matter, each giving findings and never raising for what it looks for.

Nothing is changed, but the embedded database is started and brought up to date, as any command does. Printing is
`doctor`'s.
"""

from __future__ import annotations

import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal

from imagerag_assets.errors import ImageragError
from imagerag_assets.project import Project
from imagerag_assets.settings import FILE_NAME, load_settings

State = Literal["ok", "warn", "fail"]
_LEAST_PYTHON, _PYTHON_TOO_NEW = (3, 11), (3, 15)
_GIB = 1024**3
_DISK_WARN, _DISK_FAIL = 5 * _GIB, 1 * _GIB
_MEMORY_WARN = 2 * _GIB
"""The models and the embedded server take about 1.5 GiB."""
PORTS = {"Dagster UI (make dev)": 3000, "API, page and MCP": 8000}
_ENDPOINT_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, what was found, and what to do about it when it is not well."""

    name: str
    state: State
    found: str
    remedy: str = ""
    details: dict[str, str] = field(default_factory=dict)


def check_up(settings_file: Path | None, *, deep: bool = False) -> Iterator[Finding]:
    """Look at everything, the cheapest first. `deep` loads the models and encodes a word and a picture."""
    yield python()
    yield packages()
    yield memory()
    yield from ports()
    try:
        project = Project(load_settings(settings_file))
    except ImageragError as error:
        # Without settings there is nothing more to look at.
        yield Finding("settings", "fail", str(error), "Correct the file; README.md has an example.")
        return
    yield settings(settings_file, project)
    yield disk(project)
    yield ocr(project)
    yield from models(project, deep=deep)
    yield from endpoints(project)
    yield from database(project)


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if _LEAST_PYTHON <= sys.version_info[:2] < _PYTHON_TOO_NEW:
        return Finding("Python", "ok", f"{version} in {sys.prefix}")
    return Finding("Python", "fail", f"{version} in {sys.prefix}", "Use Python 3.11 to 3.14.")


def packages(distribution: str = "imagerag") -> Finding:
    """What the distribution needs at run time: installed, of a version that fits, and under which licence."""
    from packaging.requirements import Requirement

    try:
        needed = [Requirement(line) for line in metadata.requires(distribution) or ()]
    except metadata.PackageNotFoundError:
        return Finding("packages", "fail", f"{distribution} is not installed", "Run: pip install --editable '.[dev]'")
    there: dict[str, str] = {}
    wrong: list[str] = []
    for one in needed:
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{one.name} is missing")
            continue
        if not one.specifier.contains(version, prereleases=True):
            wrong.append(f"{one.name} {version} does not fit {one.specifier}")
        there[one.name] = f"{version}, {_licence(one.name)}"
    if wrong:
        return Finding("packages", "fail", "; ".join(wrong), "Run: pip install --editable '.[dev]'", there)
    licences = Counter(told.partition(", ")[2] for told in there.values())
    counted = ", ".join(f"{licence} {count}" for licence, count in licences.most_common())
    return Finding("packages", "ok", f"{len(there)} as required; licences: {counted}", details=there)


def _licence(name: str) -> str:
    """In a few words: metadata has it as an expression, as classifiers or as the whole text."""
    told = metadata.metadata(name).json
    listed = [str(one) for one in told.get("classifier", ())]
    classifiers = [one.rpartition(" :: ")[2] for one in listed if one.startswith("License ::")]
    first_line = next(iter(str(told.get("license", "")).strip().splitlines()), "")
    named = str(told.get("license_expression", "")) or " or ".join(classifiers) or first_line[:60]
    return _SHORT.get(named, named) or "not stated"


_SHORT = {
    "MIT License": "MIT",
    "The MIT License (MIT)": "MIT",
    "Apache Software License": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0",
    "Python Software Foundation License": "PSF-2.0",
}


def memory() -> Finding:
    import psutil

    seen = psutil.virtual_memory()
    found = f"{seen.available / _GIB:.1f} GiB free of {seen.total / _GIB:.1f} GiB"
    if seen.available < _MEMORY_WARN:
        return Finding("memory", "warn", found, "Models and database want 2 GiB: end other programs.")
    return Finding("memory", "ok", found)


def ports() -> Iterator[Finding]:
    for name, port in PORTS.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                remedy = "Fine if it is Imagerag's own server; otherwise end what listens there, or give --port."
                yield Finding(f"port {port}", "warn", f"in use; it is the default of the {name}", remedy)
            else:
                yield Finding(f"port {port}", "ok", f"free for the {name}")


def settings(named: Path | None, project: Project) -> Finding:
    given = named or os.environ.get("IMAGERAG_SETTINGS")
    file = Path(given or FILE_NAME).absolute()
    found = str(file) if file.is_file() else f"defaults: there is no {file}"
    # Names only: a URL may hold a password.
    if set_here := [name for name in ("IMAGERAG_DATABASE_URL", "IMAGERAG_DATA_DIR") if os.environ.get(name)]:
        found += f"; the environment sets {' and '.join(set_here)}"
    return Finding("settings", "ok", f"{found}; {len(project.settings.collections)} collections")


def disk(project: Project) -> Finding:
    import shutil

    folder = project.settings.data_path
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / _GIB:.1f} GiB free for {folder}"
    if not os.access(there, os.W_OK):
        return Finding("disk", "fail", f"{there} cannot be written", "Give this user the folder, or set data_dir.")
    if free < _DISK_WARN:
        state: State = "fail" if free < _DISK_FAIL else "warn"
        return Finding("disk", state, found, "Make room, or set data_dir to a larger disk.")
    return Finding("disk", "ok", found)


def ocr(project: Project) -> Finding:
    """The engines that read text are there, with the languages of all collections."""
    from imagerag_assets.models.ocr import engine_identity

    settings = project.settings.ocr
    spoken = frozenset(code for one in project.settings.collections for code in one.ocr_languages or settings.languages)

    def told() -> str:
        found = engine_identity(settings, spoken)
        languages = "" if settings.engine == "rapidocr" else f", languages {', '.join(sorted(spoken))}"
        return "; ".join(f"{name} {version}" for name, version in found.items() if name != "engine") + languages

    return _guarded("OCR", told)


def models(project: Project, *, deep: bool) -> Iterator[Finding]:
    """The models of the settings are where they say; `deep` loads and uses each."""
    named = project.settings.models

    def image_text() -> str:
        told = f"{named.image_text}, {_short(project.dual_encoder_identity())}"
        if not deep:
            return told
        from PIL import Image

        encoder = project.dual_encoder()
        encoder.encode_texts(["a word"])
        encoder.encode_images([Image.new("RGB", (64, 64))])
        return f"{told}; loaded on {named.device}, {encoder.dimension} dimensions"

    def text() -> str:
        told = f"{named.text}, {_short(project.text_encoder_identity())}"
        if not deep:
            return told
        encoder = project.text_encoder()
        encoder.encode_texts(["a word"])
        return f"{told}; loaded on {named.device}, {encoder.dimension} dimensions"

    yield _guarded("image–text model", image_text)
    yield _guarded("text model", text)
    if named.describer.kind == "local":
        yield _guarded("describer", lambda: _local_describer(project, deep=deep))


def _local_describer(project: Project, *, deep: bool) -> str:
    told = f"{project.settings.models.describer.model}, {_short(project.describer_identity())}"
    if deep:
        project.local_describer()
    return f"{told}; loaded" if deep else told


def endpoints(project: Project) -> Iterator[Finding]:
    """Servers of language models that the settings name: reachable, and the key is taken. No model is asked."""
    from imagerag_assets.models.describers.endpoint import endpoint_key
    from imagerag_assets.models.describers.presets import PRESETS

    named = project.settings.models
    used = {"describer": named.describer, "answerer": named.answerer}
    for name, endpoint in used.items():
        if endpoint is None or endpoint.kind != "endpoint":
            continue
        try:
            key = endpoint_key(endpoint)
        except ImageragError as error:
            yield Finding(name, "fail", str(error))
        else:
            yield reach(name, endpoint.base_url or PRESETS[endpoint.preset].base_url or "", key)


def reach(name: str, address: str, key: str | None) -> Finding:
    """Ask a server for its list of models. What it answers is not shown: some quote the key."""
    import httpx

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        status = httpx.get(f"{address.rstrip('/')}/models", headers=headers, timeout=_ENDPOINT_SECONDS).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        remedy = "Check the address in the settings and the network; a local server has to be started."
        return Finding(name, "fail", f"{address} is not reachable ({type(error).__name__})", remedy)
    if status in (401, 403):
        return Finding(name, "fail", f"{address} refuses the key (HTTP {status})", "Set the key's variable again.")
    if status >= 500:
        return Finding(name, "fail", f"{address} answers HTTP {status}", "Its operator has to mend it.")
    # Some servers keep no list: that they answer is enough.
    return Finding(name, "ok", f"{address} answers")


def database(project: Project) -> Iterator[Finding]:
    from imagerag_assets.database.connection import one_row

    def server() -> str:
        with project.database.connect() as connection:
            versions = one_row(
                connection.execute(
                    "select current_setting('server_version'), "
                    "(select extversion from pg_extension where extname = 'vector')"
                )
            )
        kind = "embedded" if project.settings.database.url == "embedded" else "server"
        return f"{kind}, PostgreSQL {versions[0]}, pgvector {versions[1]}"

    reached = _guarded("database", server)
    yield reached
    if reached.state == "ok":
        yield index(project)


def index(project: Project) -> Finding:
    """There is a live index that searches can read, and it is of the settings' models."""
    from imagerag_assets.retrieval.generations import find_live, project_of
    from imagerag_assets.retrieval.search import searchable

    with project.database.connect() as connection:
        if find_live(connection) is None:
            return Finding("index", "warn", "there is none yet", "Run: imagerag materialize")
        try:
            live = searchable(connection, project)
            as_set = project_of(project, live) is project
        except ImageragError as error:
            return Finding("index", "fail", str(error))
    if as_set:
        return Finding("index", "ok", f"generation {live.number} is live")
    return Finding(
        "index", "warn", f"generation {live.number} is live and searched with its own models, not the settings'",
        "Run: imagerag materialize; imagerag generations list shows what then waits.",
    )  # fmt: skip


def _guarded(name: str, look: Callable[[], str]) -> Finding:
    """The finding of a look that raises an error with its remedy inside."""
    try:
        return Finding(name, "ok", look())
    except ImageragError as error:
        return Finding(name, "fail", str(error))


def _short(identity: str) -> str:
    """The beginning of a digest or commit is enough to compare by eye."""
    head, mark, digest = identity.rpartition("@" if "@" in identity else ":")
    return f"{head}{mark}{digest[:12]}"
