"""Search the live generation: one SQL statement per query, whatever the method.

The statement's shape is search.sql; what the legs' scores are worth is `fusion`'s.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from PIL import Image
from psycopg import sql
from psycopg.rows import dict_row

from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.errors import ModelError, NoLiveIndexError, QueryError, UnknownImageError
from imagerag_assets.methods import Leg, Method
from imagerag_assets.models import query_vectors
from imagerag_assets.models.query_vectors import QueryVectors
from imagerag_assets.retrieval import fusion, generations, images
from imagerag_assets.retrieval.filters import Condition, condition_sql, require_known_keys
from imagerag_assets.retrieval.gallery import Results
from imagerag_assets.retrieval.generations import Generation
from imagerag_assets.retrieval.tokens import terms

if TYPE_CHECKING:
    from imagerag_assets.models.checkpoints import FloatArray
    from imagerag_assets.project import Project

# Okapi's usual constants (Robertson & Zaragoza 2009, section 3.5).
_K1, _B = 1.2, 0.75
SEARCH_VERSION = 7
"""Raise it when the same index would give other rankings."""
_BACKGROUND = 500
"""Images that stand for those which no leg found, in a leg's mean over the collection."""
_EXACT_ROWS = 5_000
"""Up to so many images in the filter an exact scan is faster than an index scan and right by construction."""
_BACKGROUND_OF_MANY = 100
_HITS = 30
"""Images that a leg hands on where many are searched, at least: three for each of a page's ten results. Of 100,000 made
images as good a share of the exhaustive results as with 50; with 20 it is smaller."""
_ENOUGH = 2
"""Of the nearest, so many times what is wanted must pass a filter for them to be taken as the nearest that pass."""
_SCOPE_SAMPLE = 400
"""Images by which it is estimated how many pass a filter."""
_WIDEST_SCAN = 1_000
"""The largest ef_search that pgvector takes."""
_MAXIMUM_TERMS = 64
_WORDS_SHARE = 0.7
"""Of the words in a query of words and picture: what they say is what is to be different (docs/fusion.md)."""
LONGEST_TEXT = 50_000
"""Characters of a query. Models read a few hundred words of it; what is longer is no question."""
# Lone surrogates are no text either: a tokenizer cannot encode them.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_MOST_RESULTS, _FURTHEST = 1_000, 10_000
_LONGEST_SHOWN, _MOST_FILES = 20_000, 100
"""Characters of a result's texts and files of each kind: answers of a hundred results stay of a size that is sent."""
_WORDS_ONLY: tuple[Method, ...] = ("description", "text")


@dataclass(frozen=True)
class Query:
    """What is looked for: words, a picture, or both."""

    text: str = ""
    image: Image.Image | None = None
    without: str = ""
    """A content that must not be found: the example's own, when it is indexed itself."""
    image_id: str = ""
    """An indexed image as the picture: its stored vector is used. Neither it nor its duplicates are found."""


@dataclass(frozen=True)
class LegScore:
    """What one leg says of a result: its rank among this search's candidates and its raw score."""

    rank: int
    score: float


@dataclass(frozen=True)
class Result:
    """One found image. `box` is the best matching tile in pixels; `duplicates` are the files folded behind it.

    `description` and `ocr` are their first 20,000 characters, `uris` and `duplicates` the first 100 of each.

    `relevance`, 0–1, is the share of queries without an answer whose best result looks less like one (docs/fusion.md);
    None where it is not measured: other methods than hybrid, queries with a picture, collections too small to measure.
    """

    collection: str
    uri: str
    content: str
    group_id: str
    score: float
    legs: dict[str, LegScore]
    box: tuple[int, int, int, int] | None
    width: int
    height: int
    description: str
    category: str
    tags: tuple[str, ...]
    ocr: str
    uris: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    relevance: float | None = None
    confidence: float | None = None
    """How far the description can be trusted, 0–1 (docs/trust.md); None where nothing is known of it."""


@dataclass(frozen=True)
class EncodedQuery:
    """A query as the legs need it. A vector or the terms are missing where the query has nothing for that leg."""

    clip: FloatArray | None
    text: FloatArray | None
    terms: list[str] = field(default_factory=list)
    without: str = ""
    without_group: str = ""
    pictured: bool = False
    """A picture is part of `clip`: such a vector's cosines are on another scale than words'."""


def encode_query(
    project: Project,
    query: Query,
    method: Method = "hybrid",
    generation: Generation | None = None,
    vectors: QueryVectors | None = None,
) -> EncodedQuery:
    """What the method's legs need of a query: no model is touched that has no leg to serve.

    `generation` (None: the live one) is where an `image_id` is looked up; its models must be the project's.
    `vectors` (None: none but this query's own) are those of words that were encoded before.
    Words and picture together are a direction between their two vectors for `clip`; the other legs have the words.
    Control characters part words. Raises `QueryError` for a query that holds nothing, too much, or two pictures, and
    `UnknownImageError` or `AmbiguousImageError` for an `image_id` that is not one indexed image.
    """
    words = _CONTROL.sub(" ", query.text).strip()
    _require_sense(query, words)
    example = _indexed(project, query.image_id, generation) if query.image_id else None
    # The two spaces may have the same model for words: the bundled ones do.
    vectors = vectors or QueryVectors()
    clip = _clip_vector(project, words, query.image, example, vectors) if _uses(method, "clip") else None
    text = None
    if words and _uses(method, "description"):
        text = vectors.of(project.text_encoder(), words)
    found = list(dict.fromkeys(terms(words)))[:_MAXIMUM_TERMS] if _uses(method, "text") else []
    pictured = query.image is not None or example is not None
    group = example.group_id if example else ""
    return EncodedQuery(clip, text, found, query.without, group, pictured)


def _require_sense(query: Query, words: str) -> None:
    if not (words or query.image is not None or query.image_id):
        raise QueryError("Nothing to look for: give words, a picture, or both.")
    if len(query.text) > LONGEST_TEXT:
        raise QueryError(f"The query has {len(query.text):,} characters; at most {LONGEST_TEXT:,} are taken.")
    if query.image is not None and query.image_id:
        raise QueryError("Two pictures to look for: give an image, or the id of an indexed one.")


def _require_page(limit: int, offset: int) -> None:
    if not (1 <= limit <= _MOST_RESULTS and 0 <= offset <= _FURTHEST):
        raise QueryError(f"limit is 1 to {_MOST_RESULTS:,}, and offset 0 to {_FURTHEST:,}.")


def _require_words(query: Query, method: Method) -> None:
    """Raise for a picture alone where only words are compared.

    `encode_query` takes it: a benchmark's picture is searched by every method, and such a leg finds nothing.
    """
    pictured = query.image is not None or bool(query.image_id)
    if pictured and method in _WORDS_ONLY and not _CONTROL.sub(" ", query.text).strip():
        raise QueryError(
            f"The method {method} compares words, and this query is a picture alone. Search it by clip, hybrid or rrf, "
            "or add words."
        )


@dataclass(frozen=True)
class _Example:
    """An indexed image as a query: the vector of the whole of it."""

    vector: FloatArray
    group_id: str


def _indexed(project: Project, id: str, generation: Generation | None) -> _Example:  # noqa: A002
    with project.database.connect() as connection:
        generation = generation or generations.live(connection)
        collection, uri, content = images.resolve(connection, project, id)
        row = connection.execute(
            sql.SQL(
                "select e.embedding, i.group_id from {} i join {} e using (image_id) "
                "where i.content = %s and e.tile_no = 0 order by i.collection limit 1"
            ).format(generation.table("images"), generation.table("tiles")),
            (content,),
        ).fetchone()
    if row is None:
        raise UnknownImageError(
            f"{collection}/{uri} is not in the live index, so nothing can be like it: imagerag show says why."
        )
    return _Example(np.asarray(row[0].to_numpy(), dtype=np.float32), str(row[1]))


def _clip_vector(
    project: Project, words: str, image: Image.Image | None, example: _Example | None, vectors: QueryVectors
) -> FloatArray | None:
    picture: FloatArray | None = example.vector if example else None
    if image is not None:
        picture = project.dual_encoder().encode_images([image])[0]
    if not words:
        return picture
    said = vectors.of(project.dual_encoder(), words)
    if picture is None:
        return said
    total = _WORDS_SHARE * said + (1 - _WORDS_SHARE) * picture
    unit: FloatArray = (total / max(float(np.linalg.norm(total)), 1e-12)).astype(np.float32)
    return unit


def search(
    project: Project,
    query: Query | str,
    *,
    method: Method = "hybrid",
    collections: tuple[str, ...] = (),
    where: Sequence[Condition] = (),
    limit: int = 10,
    offset: int = 0,
    exact: bool = False,
) -> Results:
    """The best images for a query in the live index, best first; equal scores in the order of collection and path.

    `where` are conditions that every result fulfils; `offset` skips the first results, for pages; `exact` compares
    with every image that passes the filters, whatever their number, which is the ground truth of the index scans.
    Raises `NoLiveIndexError` before the first materialization, `SettingsError` for an unknown collection, `QueryError`
    for a filter key that no image has, a page too far, a picture alone where words are compared, and like
    `encode_query`.
    """
    query = Query(query) if isinstance(query, str) else query
    _require_page(limit, offset)
    _require_words(query, method)
    for name in collections:
        project.settings.collection(name)
    _require_known_collections(project, where)
    with project.database.connect() as connection:
        generation = searchable(connection, project)
        require_known_keys(connection, generation, where)
    # With its own models to the end, whatever becomes live meanwhile.
    project = generations.project_of(project, generation)
    encoded = encode_query(project, query, method, generation, query_vectors.SHARED)
    with project.database.connect() as connection:
        _require_in_reach(connection, project, generation, collections, where, offset + limit)
        found = run_search(
            connection, project, encoded, generation, method=method, collections=collections, where=where, limit=limit,
            offset=offset, exact=exact,
        )  # fmt: skip
    return Results(found, project)


def run_search(
    connection: Connection,
    project: Project,
    query: EncodedQuery,
    generation: Generation | None = None,
    *,
    method: Method = "hybrid",
    collections: tuple[str, ...] = (),
    where: Sequence[Condition] = (),
    limit: int = 10,
    offset: int = 0,
    exact: bool = False,
) -> list[Result]:
    """`search` in a generation (None: the live one) for a query that is encoded with its models already."""
    generation = generation or generations.live(connection)
    if generations.project_of(project, generation) is not project:
        # A vector of another model than the index's would find nonsense without an error.
        raise ModelError(
            f"Generation {generation.number} of the index was built with other models than the query was encoded with. "
            "Encode it with the project that generations.project_of gives."
        )
    rows = search_rows(
        connection, project, query, generation, method=method, collections=collections, where=where, limit=limit,
        offset=offset, exact=exact,
    )  # fmt: skip
    return [_result(row) for row in rows]


def searchable(connection: Connection, project: Project) -> Generation:
    """The generation that searches read, and can.

    Raises `NoLiveIndexError` where there is none that this version reads, `ModelError` where its models are gone.
    """
    generation = generations.live(connection)
    if not generations.is_readable(generation):
        raise NoLiveIndexError(
            "The live index was made by another version of Imagerag. Materialize pgvector_index: imagerag materialize."
        )
    generations.project_of(project, generation)
    return generation


def _require_in_reach(
    connection: Connection,
    project: Project,
    generation: Generation,
    collections: tuple[str, ...],
    where: Sequence[Condition],
    last: int,
) -> None:
    """Raise for a page that ends behind the images that every page ranks, where the filters leave more than those.

    What is ranked decides the scores and the ranks: with a wider pool a later page would be of another order.
    """
    reach = project.settings.index.candidates
    if last > reach and _rows_in(connection, generation, collections, where, reach) > reach:
        raise QueryError(
            f"Pages reach to result {reach:,} (index.candidates), and this one to {last:,}. Ask for less, narrow the "
            "search by filters or collections, or raise the setting."
        )


def _require_known_collections(project: Project, where: Sequence[Condition]) -> None:
    known = [one.name for one in project.settings.collections]
    for one in where:
        if one.key == "collection" and one.operator in ("=", "!=") and one.value not in known:
            raise QueryError(f"There is no collection {one.value[:80]!r}. There are {', '.join(known)}.")


def nothing_good_enough(results: Sequence[Result], threshold: float, offset: int = 0) -> bool:
    """Whether no result reaches the threshold of relevance, and all of them could be judged.

    Only the first page tells: what comes after good results may well be none.
    """
    judged = bool(results) and offset == 0
    return judged and all(one.relevance is not None and one.relevance < threshold for one in results)


def search_rows(
    connection: Connection,
    project: Project,
    query: EncodedQuery,
    generation: Generation,
    *,
    method: Method,
    collections: tuple[str, ...],
    where: Sequence[Condition] = (),
    limit: int = 10,
    offset: int = 0,
    exact: bool = False,
) -> list[dict[str, Any]]:
    """The search statement's own rows, of any generation; that the query is of its models is the caller's to know."""
    shape, condition, parameters = _composed(
        connection, project, query, generation, method=method, collections=collections, where=where, limit=limit,
        offset=offset, exact=exact,
    )  # fmt: skip
    rows = _ask(connection, generation, shape, condition, parameters)
    if len(rows) < limit and _may_be_more(shape, rows, offset):
        # Many of the nearest are duplicates of each other.
        candidates = max(_WIDEST_SCAN, project.settings.index.candidates)
        shape = replace(shape, nearest=_WIDEST_SCAN, candidates=candidates)
        rows = _ask(connection, generation, shape, condition, parameters)
    return rows


def _may_be_more(shape: _Shape, rows: Sequence[dict[str, Any]], offset: int) -> bool:
    """Whether a search that gave too few results may find others if it ranks more images."""
    if not shape.few:
        return True
    # Every image was compared, so only the limit of a leg's candidates can have cut any off; fused, it is all pages'.
    return not _fuses(shape.method) and (rows[0]["ranked"] >= shape.candidates if rows else offset > 0)


def search_plan(
    connection: Connection, project: Project, query: EncodedQuery, generation: Generation, *, method: Method, limit: int
) -> dict[str, Any]:
    """The plan by which `search_rows` looks in all collections: EXPLAIN's tree of the prepared statement itself.

    With EXPLAIN before the statement Postgres would plan for these values, not once for all as for searches.
    """
    shape, condition, parameters = _composed(
        connection, project, query, generation, method=method, collections=(), where=(), limit=limit, offset=0,
        exact=False,
    )  # fmt: skip
    _set_up(connection, shape)
    statement = _statement(generation.number, shape, condition.as_string(connection))
    # By which it is found among what the connection has prepared.
    mark = f"/* {hashlib.sha256(statement).hexdigest()} */"
    connection.execute(mark.encode() + statement, parameters, prepare=True)
    name, count = one_row(
        connection.execute(
            "select name, cardinality(parameter_types) from pg_prepared_statements where starts_with(statement, %s)",
            (mark,),
        )
    )
    # A plan for all values needs none.
    values = sql.SQL(", ").join([sql.SQL("null")] * count)
    (plans,) = one_row(
        connection.execute(sql.SQL("explain (format json) execute {} ({})").format(sql.Identifier(name), values))
    )
    found: dict[str, Any] = plans[0]["Plan"]
    return found


def _composed(
    connection: Connection,
    project: Project,
    query: EncodedQuery,
    generation: Generation,
    *,
    method: Method,
    collections: tuple[str, ...],
    where: Sequence[Condition],
    limit: int,
    offset: int,
    exact: bool,
) -> tuple[_Shape, sql.Composable, dict[str, Any]]:
    """What the statement's text depends on, the filters' part of it, and its values."""
    condition, values = condition_sql(where)
    scope = _scope(connection, generation, collections, condition, values, restricted=bool(where))
    wanted = offset + limit
    few = exact or scope.images <= _EXACT_ROWS
    excluding = bool(query.without or query.without_group)
    restricted = scope.inside or bool(where) or excluding
    # Where legs are fused, what is ranked decides the scores, and all pages rank the same.
    all_pages = few and _fuses(method)
    shape = _Shape(
        method=method,
        few=few,
        inside=scope.inside,
        excluding=excluding,
        restricted=restricted,
        judged=method == "hybrid" and query.clip is not None and query.text is not None and not query.pictured,
        candidates=max(project.settings.index.candidates, wanted) if all_pages else max(_HITS, 3 * wanted),
        nearest=_nearest(
            max(project.settings.index.ef_search, 4 * wanted), wanted, scope.of_all if restricted else None
        ),
        wanted=wanted,
        image_dimension=int(generation.parameters["image_dimension"]),
        text_dimension=int(generation.parameters["text_dimension"]),
    )
    parameters = {
        "generation": generation.number,
        "collections": list(collections) or None,
        "share": scope.share,
        "terms": query.terms,
        "without": query.without,
        "without_group": query.without_group,
        "clip_vector": query.clip,
        "text_vector": query.text,
        "k1": _K1,
        "b": _B,
        "limit": limit,
        "offset": offset,
        "longest": _LONGEST_SHOWN,
        "most_files": _MOST_FILES,
        **fusion.parameters(project.settings.fusion),
        **values,
    }
    return shape, condition, parameters


def _nearest(ef_search: int, wanted: int, share: float | None) -> int:
    """How many of the nearest are looked at where such a share of all images passes (None: nothing is filtered).

    In hundreds: each number has a plan of its own.
    """
    depth = max(ef_search, 4 * wanted)
    if share is None:
        return depth
    # Half again as many as are enough, as not all shares are as expected; where that is too wide, a filter that holds
    # for what is near may still be served, and the others cost no more than they must.
    expected = math.ceil(1.5 * _ENOUGH * wanted / max(share, 1e-6) / 100) * 100
    return max(2 * depth, expected if expected <= _WIDEST_SCAN else 0)


def _ask(
    connection: Connection, generation: Generation, shape: _Shape, where: sql.Composable, parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    _set_up(connection, shape)
    statement = _statement(generation.number, shape, where.as_string(connection))
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, parameters, prepare=True).fetchall()


def _set_up(connection: Connection, shape: _Shape) -> None:
    # One plan for all queries of a shape, and none of it in other processes: both take longer than most searches.
    connection.execute(
        "select set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'strict_order', true), "
        "set_config('plan_cache_mode', 'force_generic_plan', true), set_config('jit', 'off', true), "
        "set_config('max_parallel_workers_per_gather', '0', true)",
        (str(min(shape.nearest, _WIDEST_SCAN)),),
    )


def _rows_in(
    connection: Connection,
    generation: Generation,
    collections: tuple[str, ...],
    where: Sequence[Condition],
    enough: int,
) -> int:
    """How many images the filters leave; counting stops behind `enough`."""
    condition, values = condition_sql(where)
    row = connection.execute(
        sql.SQL(
            "select count(*) from (select from {} i where (%(c)s::text[] is null or i.collection = any(%(c)s)) "
            "and {} limit %(n)s) x"
        ).format(generation.table("images"), condition),
        {"c": list(collections) or None, "n": enough + 1, **values},
    ).fetchone()
    return int(row[0]) if row else 0


def _uses(method: Method, leg: Leg) -> bool:
    return method in (leg, "rrf", "hybrid")


def _fuses(method: Method) -> bool:
    """Whether more than one leg ranks."""
    return method not in _LEGS


@dataclass(frozen=True)
class _Scope:
    """How many images are searched, about, and which share of their collections' images and of all that is.

    `inside`: their collections are not all.
    """

    images: float
    share: float
    of_all: float
    inside: bool


def _scope(
    connection: Connection,
    generation: Generation,
    collections: tuple[str, ...],
    condition: sql.Composable,
    values: dict[str, Any],
    *,
    restricted: bool,
) -> _Scope:
    sizes: dict[str, int] = dict(
        connection.execute(
            sql.SQL("select collection, documents from {}").format(generation.table("collections"))
        ).fetchall()
    )
    inside = bool(collections) and not sizes.keys() <= set(collections)
    images = sum(count for name, count in sizes.items() if not collections or name in collections)
    of_all = images / max(sum(sizes.values()), 1)
    if images <= _EXACT_ROWS or not restricted:
        return _Scope(images, 1.0, of_all, inside)
    # The sample is in an order that has nothing to do with what is asked for.
    row = connection.execute(
        sql.SQL(
            "select count(*) filter (where {}) from (select * from {} i where {} order by sample, image_id limit {}) i"
        ).format(
            condition, generation.table("images"), _INSIDE if inside else sql.SQL("true"), sql.Literal(_SCOPE_SAMPLE)
        ),
        {"collections": list(collections), **values},
    ).fetchone()
    share = (row[0] if row else 0) / min(_SCOPE_SAMPLE, images)
    return _Scope(images * share, share, of_all * share, inside)


@dataclass(frozen=True)
class _Shape:
    """What a statement's text depends on.

    `inside`: some collections only; `excluding`: a picture must not be found; `restricted`: what is near may not pass.
    """

    method: Method
    few: bool
    inside: bool
    excluding: bool
    restricted: bool
    judged: bool
    candidates: int
    nearest: int
    """How many of the nearest are looked at; an iterative scan goes on behind the widest."""
    wanted: int
    image_dimension: int
    text_dimension: int

    @property
    def text_candidates(self) -> int:
        """How many images the words hand on. Alone, without other legs to fuse with, few more than are wanted."""
        alone = not _fuses(self.method) and not self.few and self.candidates < _WIDEST_SCAN
        return 2 * self.wanted if alone else self.candidates


_LEGS: tuple[Leg, ...] = get_args(Leg)
_NO_LEG: dict[Leg, str] = {
    "clip": "clip_hits as (select null::bigint as image_id limit 0)",
    "description": "description_hits as (select null::bigint as image_id limit 0)",
    "text": "text_hits as (select null::bigint as image_id limit 0)",
}
_NO_TEXT = {
    "pool_text": "cross join (select null::float8 as score) t",
    "best_text": "null::float8",
    "text_mean": "select null::float8 as text",
}
_INSIDE = sql.SQL("i.collection = any(%(collections)s::text[])")
_EXCLUDED = sql.SQL("i.content <> %(without)s and i.group_id <> %(without_group)s")
# Okapi BM25 (Robertson & Zaragoza 2009): what the query terms q that an image has, its postings `hit`, add to its score
# in the corpus c.
_OKAPI = sql.SQL(
    "sum(q.idf * hit.frequency * (%(k1)s + 1) "
    "/ (hit.frequency + %(k1)s * (1 - %(b)s + %(b)s * hit.terms / c.mean_terms)))::float8"
)


@lru_cache(maxsize=8)
def _text(file: str) -> str:
    return (resources.files("imagerag_assets.retrieval") / file).read_text(encoding="utf-8")


@lru_cache(maxsize=8)
def _forms(file: str) -> dict[str, str]:
    """The parts of a file by the names in the comments above them."""
    _, *parts = re.split(r"^-- ([a-z_]+)\n", _text(file), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@lru_cache(maxsize=256)
def _statement(generation: int, shape: _Shape, where: str) -> bytes:
    """The statement's text, for a generation's tables. It depends on no value but those of `shape`."""
    names = ("images", "tiles", "descriptions", "postings", "terms", "collections")
    hybrid = shape.method == "hybrid"
    values: dict[str, sql.Composable] = {
        **{name: generations.table(generation, name) for name in names},
        "where": sql.SQL(where),
        "okapi": _OKAPI,
        "inside": _INSIDE if shape.inside else sql.SQL("true"),
        "excluded": _EXCLUDED if shape.excluding else sql.SQL("true"),
        "candidates": sql.Literal(shape.candidates),
        "text_candidates": sql.Literal(shape.text_candidates),
        "nearest": sql.Literal(shape.nearest),
        "enough": sql.Literal(_ENOUGH * shape.wanted),
        # Only evidence is of shares of all.
        "documents": sql.SQL("(select count(*) from filtered)" if hybrid else "null"),
        "image_dimension": sql.Literal(shape.image_dimension),
        "text_dimension": sql.Literal(shape.text_dimension),
        # Only evidence asks what the legs say of the rest.
        "background": sql.Literal((_BACKGROUND if shape.few else _BACKGROUND_OF_MANY) if hybrid else 0),
        "only_filtered": sql.SQL("join filtered i using (image_id)" if shape.restricted else ""),
    }
    forms = _forms("search_few.sql" if shape.few else "search_many.sql")
    # Kept where more than one leg reads it.
    values["materialized"] = sql.SQL("materialized" if shape.few and _fuses(shape.method) else "not materialized")
    for name in ("corpus", "sampled", "pool_text", "best_text", "text_mean"):
        values[name] = sql.SQL(forms[name]).format(**values)
    for leg in _LEGS:
        filtered = f"filtered_{leg}_leg"
        form = forms[filtered if shape.restricted and filtered in forms else f"{leg}_leg"]
        values[f"{leg}_leg"] = sql.SQL(form if _uses(shape.method, leg) else _NO_LEG[leg]).format(**values)
    if not _uses(shape.method, "text"):
        values |= {name: sql.SQL(form) for name, form in _NO_TEXT.items()}
    if not hybrid:
        values["text_mean"] = sql.SQL("select null::float8 as text")
    folding, final = fusion.score_expressions(shape.method)
    composed = sql.SQL(_text("search.sql")).format(
        **values,
        score=sql.SQL(folding),
        final_score=sql.SQL(final),
        relevance=sql.SQL(fusion.relevance_expression() if shape.judged else "null::float8"),
    )
    # The driver reads the whole text at each call, so it gets no comments and no indentation.
    lines = (line.strip() for line in composed.as_string(None).splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("--")).encode()


def _result(row: dict[str, Any]) -> Result:
    columns = {"clip": "clip", "description": "description_score", "text": "text_score"}
    legs = {
        leg: LegScore(int(row[f"{leg}_rank"]), float(row[column]))
        for leg, column in columns.items()
        if row[column] is not None
    }
    box = None if row["x0"] is None else (row["x0"], row["y0"], row["x1"], row["y1"])
    return Result(
        collection=row["collection"],
        uri=row["uris"][0],
        content=row["content"],
        group_id=row["group_id"],
        score=float(row["score"]),
        legs=legs,
        box=box,
        width=row["width"],
        height=row["height"],
        description=row["description"],
        category=row["category"],
        tags=tuple(row["tags"]),
        ocr=row["ocr"],
        uris=tuple(row["uris"]),
        duplicates=tuple(row["duplicates"]),
        relevance=row["relevance"],
        confidence=row["confidence"],
    )
