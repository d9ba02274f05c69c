"""imagerag.yaml and the environment → one validated `Settings`. Nothing is opened or loaded here.

Paths in the file are relative to the file's own folder. The environment wins for what is secret or local to a machine:
`IMAGERAG_SETTINGS` (path of the file), `IMAGERAG_DATABASE_URL`, `IMAGERAG_DATA_DIR`.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from imagerag_assets.errors import SettingsError

SAMPLE_SCHEME = "sample://"
"""A source or benchmark inside the sample corpus, which is drawn on first use."""
SAMPLE_COLLECTIONS = ("products", "real_estate", "it_support", "manufacturing")
BUNDLED = "bundled"
"""The model that comes with the package."""
SOURCE_SCHEMES = (SAMPLE_SCHEME, "s3://", "gs://", "az://")
FILE_NAME = "imagerag.yaml"
_SECRET = re.compile(r"(?i)key|secret|token|passw|credential|sas|connection_string|authorization|signature|cookie")
_NO_SECRET_TOKENS = ("anon", "cloud", "google_default")
"""What gcsfs' `token` may be: the ways of signing in, none of which is a secret."""


def usable_cores() -> int:
    """Processor cores that this process may use: a container often gets fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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


def _language_codes(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or any(not code.replace("_", "").isalnum() for code in value):
        raise ValueError("needs one or more Tesseract language codes such as eng or chi_sim")
    return value


class Collection(_Section):
    """A named set of images with one source."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    source: str
    """A folder (searched recursively), a bucket with a prefix (`s3://`, `gs://`, `az://`), a manifest (.csv, .jsonl) in
    either, or `sample://<collection>`."""
    include: tuple[str, ...] = ()
    """Only files that match one of these globs; none: all. Without a slash a glob is for names at any depth."""
    ignore: tuple[str, ...] = ()
    """Files and folders that are passed over, even where `include` matches."""
    storage_options: dict[str, Any] = {}
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
        return None if value is None else _language_codes(value)

    @field_validator("storage_options")
    @classmethod
    def _no_secrets(cls, value: dict[str, Any]) -> dict[str, Any]:
        _refuse_secrets("", value)
        return value


class DatabaseSettings(_Section):
    url: str = "embedded"
    """`embedded`, or a postgresql:// URL of a server with pgvector 0.8 or later."""

    @field_validator("url")
    @classmethod
    def _scheme(cls, value: str) -> str:
        if value != "embedded" and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError('must be "embedded" or start with postgresql://')
        return value


_WITH_BATCHES = ("openai", "vllm", "compatible")
"""Presets whose servers may have OpenAI's /files and /batches; Anthropic's and Google's batches are of other forms."""


class Describer(_Section):
    """Who describes the images: zero-shot tags, a vision model behind an OpenAI-compatible URL, or one in process."""

    kind: Literal["zero_shot", "endpoint", "local"] = "zero_shot"
    preset: Literal["openai", "anthropic", "gemini", "vllm", "ollama", "compatible"] = "compatible"
    """For an endpoint: whose it is. `compatible` is any other server that speaks the OpenAI protocol."""
    base_url: str | None = Field(default=None, pattern=r"^https?://[^/?#@\s]+(/[^?#@\s]*)?$")
    """None: the preset's own."""
    model: str | None = None
    """The endpoint's name of the model; for `local` a folder or a hub id."""
    revision: str | None = None
    """Of a local model from the hub."""
    detail: Literal["low", "high"] = "low"
    longest_side: int | None = Field(default=None, ge=64, le=8192)
    """Pixels of the image that is sent; None: 512 at low detail, 1536 at high."""
    max_output_tokens: int = Field(default=800, ge=16, le=100_000)
    concurrency: int = Field(default=8, ge=1, le=256)
    timeout_seconds: float = Field(default=90.0, gt=0.0)
    requests_per_minute: float | None = Field(default=None, gt=0.0)
    key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds the key; None: the preset's own. The key is never a setting."""
    batch: bool = False
    """Ask by the Batch API: half the price, within a day. For OpenAI, and servers that have /files and /batches."""
    batch_requests: int = Field(default=2_000, ge=1, le=2_000)
    batch_megabytes: float = Field(default=100.0, gt=0.0, le=200.0)
    """Most of one file. OpenAI takes 50,000 requests and 200 MB (API reference, "Create batch"); more than 2,000 images
    cannot be claimed at once: each takes a place in Postgres' table of locks, which has some 6,400."""

    @model_validator(mode="after")
    def _model_is_named(self) -> Describer:
        name = self.setting.removeprefix("models.")
        if self.kind != "zero_shot" and not self.model:
            raise ValueError(f"{name}.kind {self.kind} needs {name}.model, the name of a vision model")
        if self.kind == "endpoint" and self.preset == "compatible" and self.base_url is None:
            raise ValueError(f"{name}.kind endpoint needs {name}.base_url, or a preset other than compatible")
        if self.batch and (self.kind != "endpoint" or self.preset not in _WITH_BATCHES):
            raise ValueError(f"{name}.batch is for endpoints of the presets {', '.join(_WITH_BATCHES)}")
        return self

    @property
    def setting(self) -> str:
        """Where it stands in the settings, for messages."""
        return "models.describer"

    @property
    def sent_side(self) -> int:
        """Longest side of the image that is sent, in pixels."""
        return self.longest_side or (512 if self.detail == "low" else 1536)


class Answerer(Describer):
    """Who answers questions from the images: a vision model behind an OpenAI-compatible URL."""

    kind: Literal["endpoint"] = "endpoint"
    max_output_tokens: int = Field(default=600, ge=16, le=100_000)

    @property
    def setting(self) -> str:
        return "models.answerer"


class Judge(Describer):
    """Who looks at descriptions a second time: a vision model behind an OpenAI-compatible URL."""

    kind: Literal["endpoint"] = "endpoint"
    max_output_tokens: int = Field(default=400, ge=16, le=100_000)

    @property
    def setting(self) -> str:
        return "models.judge"


class Escalation(Describer):
    """Who describes anew what is not to be trusted: a vision model behind an OpenAI-compatible URL."""

    kind: Literal["endpoint"] = "endpoint"

    @property
    def setting(self) -> str:
        return "models.escalate_to"


class Models(_Section):
    image_text: str = BUNDLED
    """Image–text dual encoder: `bundled`, a local folder, or a hub id."""
    image_text_revision: str | None = None
    text: str = BUNDLED
    """Text encoder of the description space: `bundled` (all-MiniLM-L6-v2), a local folder, or a hub id."""
    text_revision: str | None = None
    describer: Describer = Describer()
    answerer: Answerer | None = None
    """None: answers are the best images with what is known of them."""
    judge: Judge | None = None
    """A model that looks at every description and says whether it is right. None: nobody does."""
    escalate_to: Escalation | None = None
    """A stronger model that describes anew what is not to be trusted. None: nobody does."""
    vocabulary: Path | None = None
    """A YAML file of words for the zero-shot describer; None is the one that comes with the package."""
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    batch_size: int = Field(default=32, ge=1, le=4096)
    allow_remote_code: bool = False


class Descriptions(_Section):
    """When a description is not to be trusted (docs/trust.md)."""

    trust: float = Field(default=0.5, ge=0.0, le=1.0)
    """Of less confidence: it is flagged, weighs less in a search, and models.escalate_to describes the image anew."""


class Limits(_Section):
    """What is refused into quarantine."""

    max_pixels: int = Field(default=200_000_000, ge=1)
    max_bytes: int = Field(default=256 * 1024 * 1024, ge=1)
    max_frames: int = Field(default=10_000, ge=1)
    """Of an animation, of which only the first frame is used."""
    max_pages: int = Field(default=1_000, ge=1)
    """Of a PDF or TIFF, each of which becomes an image."""
    decode_seconds: float = Field(default=60.0, gt=0)
    """For one page or image, in a process that is killed when the time is up."""
    pdf_dpi: int = Field(default=150, ge=10, le=1200)
    """Resolution that a PDF's pages are drawn at; less where a page would pass max_pixels."""


class Tiling(_Section):
    """How small a detail of a large image is to be found, and what it may cost."""

    detail: int = Field(default=85, ge=16, le=4096)
    """Side in pixels of the smallest detail. With the encoder's input size it decides the tiles' side (tiling.py)."""
    overlap: float = Field(default=0.125, ge=0.0, le=0.5)
    """Share of a tile's side that its neighbour repeats, so that what lies on a seam is seen whole."""
    max_tiles: int = Field(default=40, ge=1, le=10_000)
    """Most tiles of one image, the whole included: each costs an encoding and a row of the index."""


class Ocr(_Section):
    """Who reads the text in images. docs/ocr.md has the figures behind the defaults."""

    engine: Literal["rapidocr", "tesseract", "both"] = "rapidocr"
    languages: tuple[str, ...] = ("eng", "fra")
    """Tesseract's language codes, for collections without ocr_languages. RapidOCR's one model knows fifty languages."""
    page_segmentation: int = Field(default=11, ge=0, le=13)
    """Tesseract's --psm. 11 (sparse text) reads labels and dialogs that 3 (pages) misses."""
    workers: int = Field(default_factory=usable_cores, ge=1)

    @field_validator("languages")
    @classmethod
    def _known_form(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _language_codes(value)


class Dedup(_Section):
    """When two images show the same picture.

    Hashes and vectors name pairs worth a look; the thumbnails, laid over each other, decide. Never the same are two
    whose colours or whose words differ: two dialogs may look alike and say different things.
    """

    phash_distance: int = Field(default=8, ge=0, le=64)
    dhash_distance: int = Field(default=8, ge=0, le=64)
    """Near by either hash: worth a look, whatever the vectors say."""
    cosine: float = Field(default=0.85, ge=-1.0, le=1.0)
    far_phash_distance: int = Field(default=20, ge=0, le=64)
    """Near by vector, and by hash not further than this: worth a look. A crop is found so."""
    orientations: Literal["upright", "rotated", "mirrored"] = "mirrored"
    """Which copies count: as they stand, turned by right angles too, or mirrored too."""
    similarity: float = Field(default=0.87, ge=0.0, le=1.0)
    """Least correlation of two thumbnails, in the large and in the details, that show the same picture."""
    group_similarity: float = Field(default=0.75, ge=0.0, le=1.0)
    """Least correlation with its canonical image of an image that got into the group by way of others."""
    colour_distance: float = Field(default=10.0, ge=0.0, le=255.0)
    """Greatest mean difference of the colours, in 8-bit chroma steps: a blue mug is not a red one."""
    word_overlap: float = Field(default=0.6, ge=0.0, le=1.0)
    """Least share of the shorter text's words that the other must have."""

    @model_validator(mode="after")
    def _groups_reach_further_than_pairs(self) -> Dedup:
        if self.group_similarity > self.similarity:
            raise ValueError("dedup.group_similarity must be at most dedup.similarity")
        return self


class Index(_Section):
    """pgvector's HNSW parameters and the width of a search."""

    m: int = Field(default=16, ge=2, le=100)
    ef_construction: int = Field(default=64, ge=4, le=1000)
    ef_search: int = Field(default=100, ge=1, le=1000)
    candidates: int = Field(default=200, ge=10, le=10_000)
    """How many images each leg hands to the fusion."""
    relevance: float = Field(default=0.9, ge=0.0, le=1.0)
    """Results below it are not good enough: the share of queries without an answer that find nothing this good."""


class Retries(_Section):
    """How often a failed item is tried again, and how long after."""

    attempts: int = Field(default=3, ge=1)
    first_wait_seconds: float = Field(default=60.0, ge=0.0)


class Budget(_Section):
    """What calls of paid models may cost, in USD. None: no limit."""

    run_usd: float | None = Field(default=None, ge=0.0)
    day_usd: float | None = Field(default=None, ge=0.0)
    """Per calendar day in UTC, over all runs."""
    collections_usd: dict[str, Annotated[float, Field(ge=0.0)]] = {}
    """By collection, over all time."""

    @property
    def limited(self) -> bool:
        return self.run_usd is not None or self.day_usd is not None or bool(self.collections_usd)


GateMetric = Literal["precision_at_5", "recall_at_10", "ndcg_at_10", "average_precision", "reciprocal_rank", "hit_at_1"]
"""A column of dbt's query_metrics, from 0 to 1, more is better."""


class Gate(_Section):
    """What a candidate generation has to keep before it goes live, and what becomes of the one that it replaces."""

    metrics: dict[GateMetric, Annotated[float, Field(ge=0.0, le=1.0)]] = {
        "precision_at_5": 0.01,
        "recall_at_10": 0.01,
        "ndcg_at_10": 0.01,
    }
    """By how much the mean over all judged queries may fall, by metric."""
    methods: tuple[Literal["clip", "description", "text", "rrf", "hybrid"], ...] = Field(
        default=("hybrid",), min_length=1
    )
    """The search methods that must not get worse."""
    wait_for_person: bool = False
    """A candidate that passes waits for `imagerag generations promote` or the job promote_candidate."""
    keep_retired_days: float = Field(default=14.0, ge=0.0)
    """Retired generations are dropped after so many days, never the newest of them: a rollback needs it."""


class Serving(_Section):
    """How the HTTP API is guarded. Where it listens is said to `imagerag serve`."""

    authentication: Literal["keys", "off"] = "keys"
    """`off` lets everyone on this machine do everything; the server then listens on loopback only."""
    hosts: tuple[str, ...] = ()
    """Names that requests may call this server by, beside those of this machine itself; `*.example.com` is a domain's.
    None: on loopback those of this machine alone, elsewhere every name."""
    cors_origins: tuple[str, ...] = ()
    """Web pages of these origins, such as https://app.example.com, may call the API from a browser. None: no other."""
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


class Settings(_Section):
    """Everything that can be set. `root` is the folder that relative paths start from."""

    root: Path = Field(default_factory=Path.cwd, exclude=True)
    data_dir: Path = Path(".imagerag")
    """The database, the sample corpus, the reports: whatever this project writes."""
    database: DatabaseSettings = DatabaseSettings()
    collections: tuple[Collection, ...] = Field(default_factory=sample_collections, min_length=1)
    models: Models = Models()
    descriptions: Descriptions = Descriptions()
    limits: Limits = Limits()
    tiling: Tiling = Tiling()
    ocr: Ocr = Ocr()
    dedup: Dedup = Dedup()
    index: Index = Index()
    retries: Retries = Retries()
    budget: Budget = Budget()
    gate: Gate = Gate()
    serving: Serving = Serving()

    @field_validator("models")
    @classmethod
    def _model_paths_are_absolute(cls, value: Models, info: ValidationInfo) -> Models:
        """Whoever reads `models` finds absolute paths and hub ids, and need not know the root."""
        root: Path = info.data["root"]
        return value.model_copy(
            update={
                "image_text": _model_place(root, value.image_text),
                "text": _model_place(root, value.text),
                "vocabulary": _at_root(root, value.vocabulary) if value.vocabulary else None,
            }
        )

    @model_validator(mode="after")
    def _names_are_unique(self) -> Settings:
        names = [collection.name for collection in self.collections]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"collections: the name {twice[0]!r} is used twice")
        if unknown := sorted(set(self.budget.collections_usd) - set(names)):
            raise ValueError(f"budget.collections_usd: there is no collection {unknown[0]!r}")
        return self

    @property
    def data_path(self) -> Path:
        """Absolute path of `data_dir`."""
        return (self.root / self.data_dir).resolve()

    def collection(self, name: str) -> Collection:
        """The collection of that name; `SettingsError` that lists the known ones otherwise."""
        for collection in self.collections:
            if collection.name == name:
                return collection
        known = ", ".join(collection.name for collection in self.collections)
        raise SettingsError(f"There is no collection {name!r}. The settings have: {known}.")


def _at_root(root: Path, path: str | Path) -> Path:
    try:
        return (root / Path(path).expanduser()).resolve()
    except RuntimeError:
        raise ValueError(f"the home folder that {path} starts with is not known; write the whole path") from None


def _model_place(root: Path, model: str) -> str:
    """The absolute path of a model's folder; `bundled` and hub ids (`name`, `owner/name`) as they are."""
    if model == BUNDLED:
        return model
    is_path = model.startswith((".", "/", "~")) or model.count("/") > 1
    return str(_at_root(root, model)) if is_path or _at_root(root, model).is_dir() else model


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings file (default: $IMAGERAG_SETTINGS, else imagerag.yaml in the working folder, else defaults).

    Raises `SettingsError` naming the file, the key and the remedy.
    """
    named = path or (Path(os.environ["IMAGERAG_SETTINGS"]) if os.environ.get("IMAGERAG_SETTINGS") else None)
    file = (named or Path(FILE_NAME)).absolute()
    if named is not None and not file.is_file():
        raise SettingsError(f"The settings file {file} does not exist. Create it, or unset IMAGERAG_SETTINGS.")
    values = _read_yaml(file) if file.is_file() else {}
    if "root" in values:
        raise SettingsError(f"{file} is not valid:\n  root: unknown key{_suggestion(('root',))}")
    values["root"] = file.parent
    if url := os.environ.get("IMAGERAG_DATABASE_URL"):
        values["database"] = {"url": url}
    if folder := os.environ.get("IMAGERAG_DATA_DIR"):
        values["data_dir"] = folder
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explain(file, error)) from None


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid YAML: {_without_content(error)}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{file} must hold keys and values at its top level, not a {type(values).__name__}.")
    return {str(key): value for key, value in values.items()}


def _without_content(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """What is wrong and where, without the line itself: it may hold a password."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    # The parser quotes the names of anchors and tags; what it expected or found instead, as '<stream end>', may stay.
    problem = re.sub(r"(['\"])[^<>]*?\w[^<>]*?\1", "'…'", error.problem or "syntax error")
    return f"{problem}, line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}."


def _explain(file: Path, error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in problem["loc"]) or "settings"
        if problem["type"] == "extra_forbidden":
            lines.append(f"  {where}: unknown key{_suggestion(problem['loc'])}")
        else:
            lines.append(f"  {where}: {problem['msg'].removeprefix('Value error, ')}")
    return f"{file} is not valid:\n" + "\n".join(lines)


def _suggestion(location: tuple[int | str, ...]) -> str:
    """What the unknown key was probably meant to be."""
    section: Any = Settings
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        field = section.model_fields[part]
        # A section that may be left out is a union with None.
        annotation = next(iter(get_args(field.annotation)), field.annotation)
        section = Collection if part == "collections" else annotation
    known = sorted(set(section.model_fields) - {"root"})
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known keys: {', '.join(known)}"
