"""What comes in and goes out as JSON, with descriptions and limits. The values are the domain's own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from imagerag_assets.methods import Method

# Far beyond any base64 of serving.max_upload_bytes: the body's own limit is reached first.
_Base64 = Annotated[str, Field(min_length=4, json_schema_extra={"contentEncoding": "base64"})]
_Collections = Annotated[
    list[Annotated[str, Field(max_length=63)]],
    Field(max_length=100, description="Only in these collections; none: all"),
]
_Where = Annotated[
    list[Annotated[str, Field(max_length=1000)]],
    Field(max_length=50, description="Conditions that every result fulfils, such as category=mug or date>=2024-05"),
]
_ImageId = Annotated[str, Field(min_length=1, max_length=4096)]
Box = tuple[int, int, int, int]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SearchRequest(_Request):
    """What to look for: `text`, a picture (`image` or `image_id`), or both."""

    text: str = Field(default="", description="Words, in English or French")
    image: _Base64 | None = Field(default=None, description="A picture's bytes in base64")
    image_id: _ImageId | None = Field(default=None, description="An indexed image: its sha256, or collection/uri")
    method: Method = Field(default="hybrid", description="The leg to search by, or how to fuse them")
    collections: _Collections = []
    where: _Where = []
    limit: int = Field(default=10, ge=1, le=100, description="Most results")
    offset: int = Field(default=0, ge=0, le=10_000, description="Results to skip, for the next page")
    exact: bool = Field(default=False, description="Compare with every image, without the vector index: ground truth")


class AskRequest(_Request):
    """A question about the images, with a picture beside it if need be."""

    question: str = Field(min_length=1, description="In words")
    image: _Base64 | None = Field(default=None, description="A picture's bytes in base64")
    image_id: _ImageId | None = Field(default=None, description="An indexed image: its sha256, or collection/uri")
    collections: _Collections = []
    where: _Where = []
    limit: int = Field(default=3, ge=1, le=10, description="Most images that the answer is made from")


class _Answered(BaseModel):
    """Made from the domain's dataclasses: the attributes of the same names."""

    model_config = ConfigDict(from_attributes=True)


class LegOut(_Answered):
    """What one leg says of a result."""

    rank: int = Field(description="Among this search's candidates; equal scores share it")
    score: float = Field(description="The leg's own: a cosine, or BM25")


class ResultOut(_Answered):
    """One found image."""

    collection: str
    uri: str = Field(description="Path or address inside the collection's source")
    content: str = Field(description="sha256 of the bytes: the image's id")
    group_id: str = Field(description="Content of the canonical image of its near-duplicates")
    score: float
    legs: dict[str, LegOut]
    box: Box | None = Field(description="The tile that matches best, in pixels: x0, y0, x1, y1")
    width: int
    height: int
    description: str
    category: str
    tags: list[str]
    ocr: str
    uris: list[str] = Field(description="The files of the collection with these bytes, at most 100")
    duplicates: list[str] = Field(description="The near-duplicates folded behind it, at most 100")
    relevance: float | None = Field(
        description="0 to 1: the share of queries without an answer whose best result looks less like one; null where "
        "it is not measured"
    )
    confidence: float | None = Field(
        description="0 to 1: how far the description can be trusted; null where no signal says anything"
    )


class SearchResponse(BaseModel):
    """The results, best first; equal scores in the order of collection and uri."""

    results: list[ResultOut]
    nothing_good_enough: bool = Field(description="No result reaches index.relevance: there is no answer here")
    method: Method
    limit: int
    offset: int


class CitationOut(_Answered):
    """`[number]` in an answer's text."""

    number: int
    collection: str
    uri: str
    content: str = Field(description="The image's id")
    box: Box | None = Field(description="The tile that matched best, in pixels: x0, y0, x1, y1")


class AnswerOut(_Answered):
    """An answer that cites the images that it is from."""

    question: str
    text: str = Field(description="The one that counts: a stream's pieces may lack what was corrected at its end")
    citations: list[CitationOut]
    results: list[ResultOut] = Field(description="The images that the answer could be from: [1] is the first")
    refused: bool = Field(description="The images do not answer the question, and the text says so")
    extractive: bool = Field(description="No language model wrote it")
    uncited: bool = Field(description="The text names no image that it is from")
    notes: list[str] = Field(description="What a reader should know besides")
    model: str | None
    prompt: str | None = Field(description="A digest of what the model was told, without the data")
    tokens_in: int | None
    tokens_out: int | None
    usd: float | None = Field(description="What it cost; null where no model was asked or its price is unknown")
    latency_ms: float


class FileOut(_Answered):
    """One file, or page of one, that has an image's bytes."""

    collection: str
    uri: str
    first_seen: datetime
    removed_at: datetime | None


class TroubleOut(_Answered):
    """Why a file is in quarantine."""

    reason: str
    message: str
    attempts: int


class ImageOut(_Answered):
    """What is known of one image. Empty or null is what no stage has come to yet. Sizes are in pixels, upright."""

    collection: str
    uri: str
    content: str | None = Field(description="sha256 of the bytes: the image's id; null where they could not be read")
    state: Literal["indexed", "pending", "quarantined", "removed"]
    files: list[FileOut]
    trouble: TroubleOut | None
    first_seen: datetime | None
    format: str | None
    mode: str | None
    width: int | None
    height: int | None
    size_bytes: int | None
    frames: int | None
    page: int | None
    tiles: int
    general: str
    key_elements: list[str]
    visible_text: str
    category: str
    tags: list[str]
    describer: str | None
    confidence: float | None = Field(description="0 to 1: how far the description in the index can be trusted")
    ocr: str
    ocr_confidence: float | None
    languages: list[str]
    metadata: dict[str, Any] | None
    group_id: str | None
    duplicates: list[FileOut] = Field(description="The present files of its near-duplicates")


class HealthResponse(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class ReadyResponse(BaseModel):
    """Searches can be answered at once."""

    status: Literal["ready"] = "ready"
    generation: int = Field(description="Number of the live index")


UploadStatus = Literal["stored", "indexed", "quarantined", "failed"]


class UploadOut(_Answered):
    """A file that was put into a collection's source, and what has become of it."""

    upload: UUID | None = Field(description="The id to ask with; null for a file that came another way")
    status: UploadStatus = Field(
        description="stored: the next run takes it up; indexed: it is found; quarantined, failed: `message` says why"
    )
    collection: str
    uri: str
    content: str = Field(description="sha256 of the file's bytes")
    message: str = Field(description="Why it is not indexed; empty where all is well")
    known_before: bool = Field(description="The collection had an identical file, so nothing was stored")
    at: datetime | None = Field(description="When it was stored by the API")


def schema_of(model: type[BaseModel], **max_lengths: int) -> dict[str, Any]:
    """A request's JSON schema for OpenAPI, with the limits of texts that the settings decide."""
    schema = model.model_json_schema()
    for name, length in max_lengths.items():
        schema["properties"][name]["maxLength"] = length
    return schema
