"""What search returns: the legs' scores to the digit, duplicates once, one order, and words that stay words."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from psycopg import sql

from imagerag_assets.errors import ModelError, NoLiveIndexError, QueryError, SettingsError
from imagerag_assets.methods import METHODS, Method
from imagerag_assets.models.checkpoints import find_checkpoint
from imagerag_assets.models.dual_encoder import DualEncoder
from imagerag_assets.project import Project, _text_encoder_identity
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.filters import parse_conditions
from imagerag_assets.retrieval.search import Query, Result, encode_query, run_search, search
from imagerag_assets.stages import pgvector_index
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.pictures import draw
from imagerag_assets_tests.retrieval.corpus import (
    MakeProject,
    Picture,
    build,
    content_of,
    index_rows,
    other_text_model,
    random_vector,
    shop_project,
)
from imagerag_assets_tests.retrieval.plain import best_tile, okapi

WORDS = ["network", "path", "printer", "error", "disk", "full", "accès", "refusé", "0x80070035", "red", "mug"]


@pytest.fixture
def shop(make_project: MakeProject, tmp_path: Path) -> Project:
    return shop_project(make_project, tmp_path)


def random_pictures(count: int, seed: int) -> list[Picture]:
    """Pictures with words of unequal frequency in OCR and description; some have none, some several tiles."""
    chance = random.Random(seed)
    weights = [2.0 ** -(number / 2) for number in range(len(WORDS))]

    def text(longest: int) -> str:
        return " ".join(chance.choices(WORDS, weights, k=chance.randint(0, longest)))

    return [Picture(f"{number:03d}.png", text(14), text(7), tiles=chance.choice((1, 1, 3))) for number in range(count)]


def names(results: list[Result]) -> list[str]:
    return [result.uri for result in results]


def test_the_text_legs_scores_are_okapis(shop: Project) -> None:
    pictures = random_pictures(40, seed=1)
    build(shop, pictures)
    for query in ("network", "red mug", "accès REFUSÉ 0x80070035", "disk disk error missing", "path?"):
        words = list(dict.fromkeys(query.lower().replace("è", "e").replace("é", "e").strip("?").split()))
        expected = okapi(pictures, words)
        found = search(shop, Query(query), method="text", limit=100)
        assert {result.uri: result.score for result in found} == pytest.approx(expected, rel=1e-6)
        assert len(expected) > 2
        assert names(found) == sorted(expected, key=lambda uri: (-expected[uri], uri))
        assert {result.legs["text"].score for result in found} == {result.score for result in found}


def test_the_clip_legs_scores_are_the_cosines_of_the_best_tiles(shop: Project) -> None:
    pictures = random_pictures(30, seed=2)
    build(shop, pictures)
    encoder = shop.dual_encoder()
    words = encoder.encode_texts(["red mug"])[0]
    picture = encoder.encode_images([draw(3)])[0]
    both = 0.7 * words + 0.3 * picture
    both /= np.linalg.norm(both)
    for query, vector in (
        (Query("red mug"), words),
        (Query(image=draw(3)), picture),
        (Query("red mug", draw(3)), both),
    ):
        expected = {one.uri: best_tile(one, vector) for one in pictures}
        found = search(shop, query, method="clip", limit=100)
        assert {one.uri: one.score for one in found} == pytest.approx(
            {uri: cosine for uri, (cosine, _) in expected.items()}, abs=1e-5
        )
        assert names(found) == sorted(expected, key=lambda uri: -expected[uri][0])
        for result in found:
            number = expected[result.uri][1]
            assert result.box == (100 * max(number - 1, 0), 0, 100 * max(number, 1), 50)


def test_the_description_legs_scores_are_cosines_too(shop: Project) -> None:
    pictures = random_pictures(20, seed=3)
    build(shop, pictures)
    query = shop.text_encoder().encode_texts(["a red mug"])[0]
    expected = {one.uri: float(random_vector(one.description) @ query) for one in pictures}
    found = search(shop, Query("a red mug"), method="description", limit=100)
    assert {one.uri: one.score for one in found} == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_duplicates_show_once_and_are_listed(shop: Project, method: Method) -> None:
    group = [Picture("a.png", "red mug red"), Picture("b.png", "red mug", canonical="a.png")]
    far = replace(group[1], uri="c.png", collection="office", description="red mug")
    build(shop, [*group, far, Picture("d.png", "red printer"), *random_pictures(8, seed=4)])
    found = search(shop, Query("red mug"), method=method, limit=100)
    folded = [result for result in found if result.group_id == content_of("a.png")]
    assert len(folded) == 1
    assert sorted([folded[0].uri, *folded[0].duplicates]) == ["a.png", "b.png", "c.png"]
    assert len({result.group_id for result in found}) == len(found)


def test_the_copies_of_one_content_are_one_image_with_all_their_paths(shop: Project) -> None:
    build(shop, [Picture("a.png", "red mug")])
    with shop.database.connect() as connection:
        connection.execute(
            "insert into raw_images (collection, uri, content, size_bytes, version, fingerprint) "
            "select collection, 'copy/a.png', content, 1, '0', 'f' from raw_images"
        )
    pgvector_index.run(shop, RunOptions())
    (found,) = search(shop, Query("mug"), method="text")
    assert (found.uri, found.uris) == ("a.png", ("a.png", "copy/a.png"))


def test_what_is_said_of_the_first_path_is_the_metadata_of_the_image(shop: Project) -> None:
    build(shop, [Picture("a.png", "red mug"), Picture("b.png", "blue mug")])

    def metadata() -> list[object]:
        with shop.database.connect() as connection:
            images = generations.live(connection).table("images")
            return [
                row[0]
                for row in connection.execute(
                    sql.SQL("select metadata from {} order by uris").format(images)
                ).fetchall()
            ]

    assert metadata() == [{"format": "PNG"}, {"format": "PNG"}]
    with shop.database.connect() as connection:
        connection.execute(
            "insert into raw_images (collection, uri, content, size_bytes, version, fingerprint, metadata) "
            "select collection, 'copy/a.png', content, 1, '0', 'f', '{\"price\": 1}' from raw_images "
            "where uri = 'a.png'"
        )
        connection.execute("update raw_images set metadata = '{\"price\": 12.5}' where uri = 'a.png'")
    report = pgvector_index.run(shop, RunOptions())
    assert (report.new, report.updated, report.skipped) == (0, 1, 1)
    assert metadata() == [{"format": "PNG", "price": 12.5}, {"format": "PNG"}]


@pytest.mark.parametrize("method", METHODS)
def test_equal_scores_come_in_the_order_of_their_paths(shop: Project, method: Method) -> None:
    uris = [f"{number}.png" for number in range(12)]
    twins = [Picture(uri, "red mug", "red mug") for uri in reversed(uris)]
    build(shop, twins[::2])
    build(shop, twins[1::2])
    with shop.database.connect() as connection:
        connection.execute("update clip_embeddings set embedding = %s", (random_vector("the same"),))
        connection.execute("update contents set fingerprint = 'looked at again'")
    pgvector_index.run(shop, RunOptions())
    first = search(shop, Query("red mug"), method=method, limit=7)
    assert len({result.score for result in first}) == 1
    assert names(first) == sorted(uris)[:7]
    assert search(shop, Query("red mug"), method=method, limit=7) == first


@pytest.mark.parametrize("method", METHODS)
def test_a_filter_leaves_only_its_collections(shop: Project, method: Method) -> None:
    shop_pictures = [replace(one, uri=f"s{one.uri}") for one in random_pictures(10, seed=5)]
    office = [replace(one, uri=f"o{one.uri}", collection="office") for one in random_pictures(10, seed=6)]
    build(shop, shop_pictures + office)
    query = Query("network path")
    inside = search(shop, query, method=method, collections=("office",), limit=100)
    assert inside
    assert {result.collection for result in inside} == {"office"}
    both = search(shop, query, method=method, collections=("office", "shop"), limit=100)
    assert names(both) == names(search(shop, query, method=method, limit=100))
    assert {result.collection for result in both} == {"office", "shop"}
    with pytest.raises(SettingsError, match="no collection 'attic'"):
        search(shop, query, method=method, collections=("attic",))


@pytest.mark.parametrize("method", METHODS)
def test_a_limit_keeps_the_best(shop: Project, method: Method) -> None:
    build(shop, random_pictures(15, seed=7))
    everything = search(shop, Query("network error"), method=method, limit=100)
    assert search(shop, Query("network error"), method=method, limit=4) == everything[:4]
    assert [one.score for one in everything] == sorted((one.score for one in everything), reverse=True)


@pytest.mark.parametrize("method", METHODS)
def test_pages_joined_are_one_long_page_and_none_reaches_behind_what_is_ranked(
    make_project: MakeProject, tmp_path: Path, method: Method
) -> None:
    project = shop_project(make_project, tmp_path, index={"candidates": 12})
    build(project, random_pictures(30, seed=11))
    query = Query("network error")
    whole = search(project, query, method=method, limit=12)
    pages = [search(project, query, method=method, limit=4, offset=offset) for offset in (0, 4, 8)]
    assert [one for page in pages for one in page] == whole
    with pytest.raises(QueryError, match=r"reach to result 12 \(index\.candidates\), and this one to 14"):
        search(project, query, method=method, limit=4, offset=10)
    # Where the filters leave no more than that, everything is ranked anyway.
    assert not search(project, query, method=method, limit=4, offset=20, where=parse_conditions(["uri=none.png"]))


def test_a_picture_alone_is_refused_by_methods_of_words_and_the_message_names_others(shop: Project) -> None:
    build(shop, [Picture("a.png", "red mug", "red mug"), Picture("b.png", "red mug", "red mug")])
    for query in (Query(image=draw(1)), Query(" \x07", image_id="a.png")):
        for method in ("text", "description"):
            with pytest.raises(QueryError, match=f"method {method} compares words.*clip, hybrid or rrf"):
                search(shop, query, method=method)
    assert names(search(shop, Query("mug", image_id="a.png"), method="text")) == ["b.png"]
    assert names(search(shop, Query(image_id="a.png"), method="rrf")) == ["b.png"]


def test_the_texts_and_files_of_a_result_are_bounded(shop: Project) -> None:
    build(shop, [Picture("0.png", "mug " * 6_000, "a mug"), *(
        Picture(f"{number}.png", canonical="0.png") for number in range(1, 131)
    )])  # fmt: skip
    with shop.database.connect() as connection:
        connection.execute(
            "insert into raw_images (collection, uri, content, size_bytes, version, fingerprint) "
            "select collection, 'copy/' || n, content, 1, '0', 'f' from raw_images, generate_series(1, 130) n "
            "where uri = '0.png'"
        )
    pgvector_index.run(shop, RunOptions())
    (found,) = search(shop, "mug", method="text")
    assert (len(found.ocr), len(found.uris), len(found.duplicates)) == (20_000, 100, 100)
    assert found.uri == "0.png"


class Watch:
    """Files and addresses that this process opens while it is on. An audit hook cannot be removed again."""

    on = False
    places: list[str] = []  # noqa: RUF012

    @classmethod
    def hook(cls, event: str, arguments: tuple[object, ...]) -> None:
        if cls.on and event in {"open", "urllib.Request", "socket.getaddrinfo"}:
            cls.places.append(str(arguments[0]))


sys.addaudithook(Watch.hook)


@pytest.fixture
def watched() -> Iterator[list[str]]:
    Watch.places.clear()
    yield Watch.places
    Watch.on = False


HOSTILE = [
    "'; drop table raw_images; --",
    '"); delete from contents; select ("',
    "%s %(terms)s %% {images} {{x}}",
    "<script>alert('network')</script> <img src=x onerror=alert(1)>",
    "/etc/passwd",
    "../../../etc/hostname",
    "https://example.invalid/network.png",
    "file:///etc/passwd",
    "data:image/png;base64,iVBORw0KGgo=",
    "network\x00path",
    "network & path | !error:*",
    "\\x00 \\copy",
    "🙂 ‮network",
    "x" * 20_000,
    "network " * 5_000,
]


def test_whatever_a_query_looks_like_it_is_words_and_opens_nothing(shop: Project, watched: list[str]) -> None:
    build(shop, [Picture("a.png", "network path"), Picture("b.png", "etc passwd"), *random_pictures(5, seed=8)])
    before = index_rows(shop)
    for method in METHODS:
        # The first search of a method opens the model's files and loads search.sql.
        search(shop, Query("network"), method=method)
    Watch.on = True
    for text in HOSTILE:
        for method in METHODS:
            search(shop, Query(text), method=method)
    Watch.on = False
    assert watched == []
    assert index_rows(shop) == before
    assert names(search(shop, Query("/etc/passwd"), method="text")) == ["b.png"]
    assert "a.png" in names(search(shop, Query("<b>network</b>"), method="text"))
    assert search(shop, Query("'; --"), method="text") == []


def test_before_the_first_run_there_is_no_live_index_and_the_message_says_so(shop: Project) -> None:
    with pytest.raises(NoLiveIndexError, match=r"no live index yet.*imagerag materialize"):
        search(shop, Query("red mug"), method="text")


def test_an_empty_index_finds_nothing(shop: Project) -> None:
    pgvector_index.run(shop, RunOptions())
    for method in METHODS:
        assert search(shop, Query("red mug"), method=method) == []


def test_an_index_of_another_model_is_searched_with_that_model(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    models = {"text": other_text_model(tmp_path / "model")}
    other = shop_project(make_project, tmp_path, url=shop.settings.database.url, models=models)
    build(other, [Picture("a.png", "red mug", "a red mug"), Picture("b.png", "a bolt", "a bolt")])
    assert search(shop, Query("red mug")) == search(other, Query("red mug"))
    with shop.database.connect() as connection, pytest.raises(ModelError, match="than the query was encoded with"):
        run_search(connection, shop, encode_query(shop, Query("red mug")))


def test_settings_whose_own_model_is_missing_do_not_keep_the_live_index_from_being_searched(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    build(shop, [Picture("a.png", "red mug", "a red mug")])
    models = {"text": str(tmp_path / "not" / "there"), "image_text": str(tmp_path / "nor" / "this")}
    other = shop_project(make_project, tmp_path, url=shop.settings.database.url, models=models)
    assert search(other, Query("red mug")) == search(shop, Query("red mug"))


def test_an_index_whose_model_is_gone_or_changed_is_refused_and_not_searched(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    models = {"text": other_text_model(tmp_path / "model")}
    build(shop_project(make_project, tmp_path, url=shop.settings.database.url, models=models), [Picture("a.png")])
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    find_checkpoint.cache_clear()
    _text_encoder_identity.cache_clear()
    with pytest.raises(ModelError, match=r"not to be had: .*model does not exist.*materialize the graph"):
        search(shop, Query("red mug"), method="text")
    (tmp_path / "elsewhere").rename(tmp_path / "model")
    (tmp_path / "model" / "note.txt").write_text("trained on")
    find_checkpoint.cache_clear()
    _text_encoder_identity.cache_clear()
    with pytest.raises(ModelError, match=r"not to be had: what is now at .*/model are others"):
        search(shop, Query("red mug"), method="text")


def test_an_index_kept_by_difference_equals_one_that_is_built_anew(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    chance = random.Random(9)
    known: dict[str, Picture] = {}
    for turn in range(5):
        gone = chance.sample(sorted(known), k=min(len(known), 4))
        changed = chance.sample(sorted(set(known) - set(gone)), k=min(len(known) - len(gone), 3))
        fresh = [replace(one, uri=f"{turn}-{one.uri}") for one in random_pictures(7, seed=20 + turn)]
        again = [replace(one, uri=uri) for one, uri in zip(random_pictures(3, seed=40 + turn), changed, strict=False)]
        # Words that no later turn has: their counts change by removals alone.
        fresh = [replace(one, ocr=f"{one.ocr} turn{turn}") for one in fresh]
        for uri in gone:
            del known[uri]
        known.update({one.uri: one for one in (*fresh, *again)})
        report = build(shop, [*fresh, *again], removed=gone, look=f"turn {turn}")
        assert (report.new, report.updated, report.removed) == (len(fresh), len(again), len(gone))
        assert report.skipped == len(known) - len(fresh) - len(again)

    anew = shop_project(make_project, tmp_path)
    build(anew, list(known.values()))
    found, expected = index_rows(shop), index_rows(anew)
    for table, rows in expected.items():
        assert rows
        columns = slice(0, 7) if table == "images" else slice(None)
        assert [row[columns] for row in found[table]] == [row[columns] for row in rows], table
    assert len({term for term, *_ in expected["postings"]}) == len(expected["terms"])


def test_two_long_words_with_the_same_start_are_one_term(make_project: MakeProject, tmp_path: Path) -> None:
    shop = shop_project(make_project, tmp_path)
    build(shop, [Picture("long.png", ocr="a" * 250 + " " + "a" * 260)])

    assert names(search(shop, Query("a" * 300), method="text")) == ["long.png"]


def test_a_word_is_rare_or_common_within_the_searched_collections(make_project: MakeProject, tmp_path: Path) -> None:
    project = shop_project(make_project, tmp_path)
    office = [Picture(f"{number}.png", ocr="error", collection="office") for number in range(20)]
    build(
        project, [Picture("a.png", ocr="error"), Picture("b.png", ocr="mug mug"), Picture("c.png", ocr="mug"), *office]
    )

    # In the shop "error" is the rarer word of the two; over all collections "mug" is.
    query = Query("error mug")
    assert names(search(project, query, method="text", collections=("shop",)))[0] == "a.png"
    assert names(search(project, query, method="text"))[0] == "b.png"


def test_a_large_index_is_scanned_by_hnsw_and_finds_nearly_what_an_exact_scan_does(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Random vectors are the hardest case for a graph: nothing is near anything.
    project = shop_project(make_project, tmp_path, index={"ef_search": 400})
    build(project, [Picture(f"{number:05d}.png", description=f"scene {number}") for number in range(5_100)])
    queries = [Query(f"scene {number} red mug") for number in range(5)]

    scanned = [names(search(project, query, method="clip")) for query in queries]
    described = [names(search(project, query, method="description")) for query in queries]
    monkeypatch.setattr(sys.modules[search.__module__], "_EXACT_ROWS", 10_000)
    exact = [names(search(project, query, method="clip")) for query in queries]
    exactly_described = [names(search(project, query, method="description")) for query in queries]

    for found, expected in ((scanned, exact), (described, exactly_described)):
        shared = sum(len(set(one) & set(other)) for one, other in zip(found, expected, strict=True))
        assert all(len(one) == 10 for one in found)
        assert shared >= 0.8 * 10 * len(queries)


def test_an_indexed_image_finds_what_is_like_it_and_neither_itself_nor_its_duplicates(shop: Project) -> None:
    pictures = [
        Picture("a.png"), Picture("b.png", canonical="a.png"), Picture("c.png", "red mug"), Picture("d.png"),
    ]  # fmt: skip
    build(shop, pictures)
    expected = {one.uri: best_tile(one, pictures[0].tile_vectors()[0])[0] for one in pictures[2:]}
    encoded, read = DualEncoder.images_encoded, DualEncoder.texts_encoded
    for name in ("shop/a.png", content_of("a.png"), content_of("a.png")[:12]):
        found = search(shop, Query(image_id=name), method="clip")
        assert {one.uri: one.score for one in found} == pytest.approx(expected, abs=1e-5)
    assert (DualEncoder.images_encoded, DualEncoder.texts_encoded) == (encoded, read)
    # With words beside it the lexical leg counts, too.
    found = search(shop, Query("red mug", image_id="a.png"))
    assert found[0].uri == "c.png"
    assert {"clip", "description", "text"} == set(found[0].legs)


def test_an_image_that_is_not_in_the_index_is_no_example(shop: Project) -> None:
    build(shop, [Picture("a.png"), Picture("b.png")])
    build(shop, [], removed=["b.png"])
    with pytest.raises(QueryError, match=r"shop/b\.png is not in the live index"):
        search(shop, Query(image_id="b.png"))
    with pytest.raises(QueryError, match="Two pictures"):
        search(shop, Query(image=draw(1), image_id="a.png"))


def test_what_cannot_be_searched_is_told(shop: Project) -> None:
    build(shop, [Picture("a.png")])
    for query, more, message in (
        (" \t\n", {}, "Nothing to look for"),
        ("\x00 \x1b\x07\udfff", {}, "Nothing to look for"),
        ("x" * 100_000, {}, "100,000 characters; at most 50,000"),
        ("mug", {"limit": 0}, "limit is 1 to 1,000"),
        ("mug", {"offset": 10_001}, "offset 0 to 10,000"),
    ):
        with pytest.raises(QueryError, match=message):
            search(shop, query, **more)  # type: ignore[arg-type]


def test_control_characters_part_words_and_nothing_breaks(shop: Project) -> None:
    build(shop, [Picture("a.png", "network path"), Picture("b.png", "lamp")])
    for text in ("network\x00path", "network\x1bpath", "\ud800network\udfff", "\x07" * 50 + "network"):
        assert names(search(shop, text, method="text")) == ["a.png"]
        assert search(shop, text)


def test_an_address_as_words_asks_no_server(shop: Project) -> None:
    build(shop, [Picture("a.png", "network path"), Picture("b.png", "lamp")])
    asked = []

    class Count(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with ThreadingHTTPServer(("127.0.0.1", 0), Count) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/network.png"
        for method in METHODS:
            search(shop, address, method=method)
            search(shop, Query(address, image_id="b.png"), method=method)
        assert names(search(shop, address, method="text")) == ["a.png"]
        server.shutdown()
    assert asked == []
