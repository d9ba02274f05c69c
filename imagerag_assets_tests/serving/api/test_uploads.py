"""Pictures that are sent: into the collection's source under a name of their own, and from there into the index."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from imagerag_assets.images.sources.writing import put_file
from imagerag_assets.project import Project
from imagerag_assets.settings import Collection
from imagerag_assets_tests.pictures import draw, write_pictures
from imagerag_assets_tests.retrieval.corpus import MakeProject
from imagerag_assets_tests.serving.api.server import is_problem, serving
from imagerag_assets_tests.stages.graph import run_all


def encoded(number: int, image_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    draw(number).save(buffer, image_format)
    return buffer.getvalue()


def send(client: httpx.Client, data: bytes, collection: str = "shop", name: str = "x.png") -> httpx.Response:
    return client.post("/images", data={"collection": collection}, files={"file": (name, data)})


def stored_files(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


@pytest.fixture
def shop(make_project: MakeProject, tmp_path: Path) -> Project:
    """A collection that is a folder, one that is the sample, one that is a manifest, and one that takes JPEG only."""
    folder = write_pictures(tmp_path / "shop", range(1))
    (tmp_path / "list.csv").write_text("uri\n")
    collections = [
        {"name": "shop", "source": str(folder)},
        {"name": "sample", "source": "sample://products"},
        {"name": "listed", "source": str(tmp_path / "list.csv")},
        {"name": "photos", "source": str(folder), "include": ["*.jpg"]},
    ]
    return make_project({}, collections=collections, serving={"max_upload_bytes": 100_000})


def test_an_upload_is_stored_then_indexed_and_then_found(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project({"shop": write_pictures(tmp_path / "shop", range(1))})
    with serving(project, "read", "write") as client:
        sent = send(client, encoded(7, "JPEG"))
        assert sent.status_code == 202, sent.text
        upload = sent.json()
        assert (upload["status"], upload["known_before"]) == ("stored", False)
        where = sent.headers["location"]
        assert client.get(where).json() == upload
        run_all(project)
        assert client.get(where).json()["status"] == "indexed"
        assert client.get(f"/images/{upload['content']}").json()["uri"] == upload["uri"]
        (best,) = client.post("/search", files={"image": encoded(7)}, data={"limit": "1"}).json()["results"]
        assert best["uri"] == upload["uri"]

        again = send(client, encoded(7, "JPEG"))
        assert again.status_code == 200
        assert (again.json()["upload"], again.json()["known_before"]) == (upload["upload"], True)
        other = send(client, (tmp_path / "shop" / "picture-0000.png").read_bytes()).json()
        assert (other["uri"], other["upload"], other["status"]) == ("picture-0000.png", None, "indexed")
        assert len(stored_files(tmp_path / "shop")) == 2


@pytest.mark.parametrize(
    "name", ["../../evil.png", "/etc/cron.d/x", "a\x00b.png", ".hidden", "x.json", "<b>.svg", "C:\\x"]
)
def test_nothing_of_the_senders_name_is_used(shop: Project, tmp_path: Path, name: str) -> None:
    data = encoded(3, "JPEG")
    before = stored_files(tmp_path)
    with serving(shop, "write") as client:
        assert send(client, data, name=name).status_code == 202
    assert set(stored_files(tmp_path)) - set(before) == {f"shop/uploads/{hashlib.sha256(data).hexdigest()}.jpg"}


def test_the_suffix_is_of_what_the_bytes_are(shop: Project) -> None:
    with serving(shop, "write") as client:
        for image_format, suffix in (("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif"), ("TIFF", "tif"), ("PDF", "pdf")):
            assert send(client, encoded(1, image_format), name="x.jpg").json()["uri"].endswith(f".{suffix}")


def test_the_same_picture_from_many_at_once_is_stored_once(shop: Project, tmp_path: Path) -> None:
    with serving(shop, "write") as client, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: send(client, encoded(5)), range(8)))
    assert sorted(one.status_code for one in answers) == [200] * 7 + [202]
    assert len({one.json()["upload"] for one in answers}) == 1
    assert len(stored_files(tmp_path / "shop")) == 2
    (folder,) = [one for one in (tmp_path / "shop").iterdir() if one.is_dir()]
    assert all(not one.name.startswith(".") for one in folder.iterdir())


@pytest.mark.parametrize(
    ("collection", "data", "status", "name"),
    [
        ("attic", encoded(1), 422, "unknown-collection"),
        ("../shop", encoded(1), 422, "unknown-collection"),
        ("sample", encoded(1), 409, "no-uploads"),
        ("listed", encoded(1), 409, "no-uploads"),
        ("photos", encoded(1), 409, "no-uploads"),
        ("shop", b"", 422, "no-image"),
        ("shop", b"<svg onload=alert(1)>", 422, "no-image"),
        ("shop", encoded(1)[:500], 422, "no-image"),
        ("shop", bytes(100_001), 413, "too-large"),
        ("shop", bytes(1_000_000), 413, "too-large"),
    ],
)
def test_what_cannot_be_stored_is_a_problem_and_leaves_nothing(
    shop: Project, tmp_path: Path, collection: str, data: bytes, status: int, name: str
) -> None:
    before = stored_files(tmp_path)
    with serving(shop, "write") as client:
        is_problem(send(client, data, collection), status, name)
    assert stored_files(tmp_path) == before


def test_a_picture_of_too_many_pixels_is_too_large(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project({"shop": write_pictures(tmp_path / "shop", range(1))}, limits={"max_pixels": 10_000})
    with serving(project, "read", "write") as client:
        is_problem(send(client, encoded(1)), 413, "too-large")
        told = is_problem(client.post("/search", files={"image": encoded(1)}), 413, "too-large")
        assert "10,000" in told["detail"]


def test_a_form_of_another_shape_is_refused(shop: Project) -> None:
    picture = ("x.png", encoded(1))
    with serving(shop, "write") as client:
        forms: list[dict[str, Any]] = [
            {"files": {"file": picture}},
            {"files": {"picture": picture}, "data": {"collection": "shop"}},
            {"files": {"file": picture}, "data": {"collection": ["shop", "photos"]}},
            {"files": {"file": picture}, "data": {"collection": "shop", "name": "../x"}},
            {"files": {"collection": ("shop", b"shop")}, "data": {"file": "x"}},
        ]
        for form in forms:
            is_problem(client.post("/images", **form), 422, "invalid-request")
        is_problem(client.post("/images", json={"collection": "shop"}), 415, "media-type")
        is_problem(client.get("/uploads/00000000-0000-0000-0000-000000000000"), 404, "unknown-upload")
        is_problem(client.get("/uploads/..%2f..%2fx"), 404, "not-found")
        is_problem(client.get("/uploads/x"), 422, "invalid-request")


def test_an_upload_that_went_into_quarantine_says_why(shop: Project, tmp_path: Path) -> None:
    with serving(shop, "write") as client:
        upload = send(client, encoded(2)).json()
        with shop.database.connect() as connection:
            connection.execute(
                "insert into quarantine (collection, uri, size_bytes, version, fingerprint, reason, message) "
                "values ('shop', %s, 1, '', '', 'timeout', 'Decoding took more than 60 s.')", (upload["uri"],),
            )  # fmt: skip
        told = client.get(f"/uploads/{upload['upload']}").json()
        assert (told["status"], told["message"]) == ("quarantined", "timeout: Decoding took more than 60 s.")


def test_an_upload_that_a_stage_failed_on_says_which(shop: Project) -> None:
    with serving(shop, "write") as client:
        upload = send(client, encoded(2)).json()
        with shop.database.connect() as connection:
            connection.execute(
                "insert into stage_failures (stage, item, fingerprint, error_class, message, next_try) "
                "values ('vlm_descriptions', %s, '', 'x', 'The model refused.', now())", (f"{upload['content']}:ctx",),
            )  # fmt: skip
        told = client.get(f"/uploads/{upload['upload']}").json()
        assert (told["status"], told["message"]) == ("failed", "vlm_descriptions: The model refused.")


def test_a_folder_that_cannot_be_written_to_is_told_and_nothing_is_recorded(shop: Project, tmp_path: Path) -> None:
    # A file where the folder should be stops root as well.
    (tmp_path / "shop" / "uploads").write_text("in the way")
    with serving(shop, "write") as client:
        is_problem(send(client, encoded(2)), 503, "source")
    with shop.database.connect() as connection:
        assert connection.execute("select from uploads").fetchall() == []


def test_a_file_appears_whole_and_readable_for_others(shop: Project, tmp_path: Path) -> None:
    collection = Collection(name="shop", source=str(tmp_path / "shop"))
    put_file(shop.settings, collection, "uploads/x.png", encoded(1))
    path = tmp_path / "shop" / "uploads" / "x.png"
    assert Image.open(path).size == (200, 120)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
