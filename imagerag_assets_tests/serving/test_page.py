"""The web page in a real browser, against a real server over a small real index. Nothing may leave this machine."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, expect

from imagerag_assets.answers import Answer
from imagerag_assets.evaluation.benchmarks.model import Rules
from imagerag_assets.evaluation.benchmarks.pooling import add_queries, pool, read_pool
from imagerag_assets.project import Project
from imagerag_assets.retrieval.search import Query, search
from imagerag_assets.serving.api import keys
from imagerag_assets.serving.api.app import create_app
from imagerag_assets.serving.page import views
from imagerag_assets.serving.page.login import Sessions, add_login
from imagerag_assets.serving.page.mount import mount_page
from imagerag_assets.stages import raw_images
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.pictures import draw, write_pictures
from imagerag_assets_tests.stages.described import read_by_hand
from imagerag_assets_tests.stages.graph import STAGES

MakeProject = Callable[..., Project]
NAME = "<img src=x onerror=alert(2)>.png"
HOSTILE = "INVOICE 7731 <script>alert(1)</script> </div><b onmouseover=alert(3)>bold</b> ${6*7} {{6*7}} '; drop table x"


@pytest.fixture(scope="module")
def project(make_shared_project: MakeProject, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = write_pictures(tmp_path_factory.mktemp("page") / "shop", range(4))
    draw(7, (900, 300)).save(folder / NAME)
    collections = [{"name": "shop", "source": str(folder), "benchmark": "judged"}]
    made = make_shared_project({}, serving={"authentication": "off"}, collections=collections)
    read_by_hand(made, texts={NAME: HOSTILE, "picture-0001.png": "PART 4001"})
    for stage in STAGES:
        if stage.__name__.rpartition(".")[2] != "ocr_text":
            stage.run(made, RunOptions())
    return made


@pytest.fixture
def pooled(project: Project, tmp_path: Path) -> Path:
    """The benchmark of the shop with two queries, one of them a picture, and no mark."""
    folder = project.settings.root / "judged"
    shutil.rmtree(folder, ignore_errors=True)
    asked = ({"_id": "q1", "text": HOSTILE}, {"_id": "q2", "image": "picture-0002.png"})
    (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, asked)))
    add_queries(project, folder, tmp_path / "asked.jsonl", Rules(collection="shop", depth=2))
    pool(project, folder, lambda _: None)
    return folder


@contextmanager
def served(project: Project) -> Iterator[str]:
    app = create_app(project)
    mount_page(app)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture(scope="module")
def calls_of_the_server() -> Iterator[list[object]]:
    """Addresses other than this machine's that this process, which is the server, connects to."""
    outside: list[object] = []
    plain = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        if self.family != socket.AF_UNIX and isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1"):
            outside.append(address)
        plain(self, address)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield outside


@pytest.fixture(scope="module")
def address(project: Project, calls_of_the_server: list[object]) -> Iterator[str]:
    with served(project) as where:
        yield where


@dataclass
class Watch:
    """What a page must not do."""

    origin: str
    faults: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.faults.append(f"request: {request.url}")

    def dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@contextmanager
def opened(browser: Browser, origin: str, **options: object) -> Iterator[Page]:
    """The page in a fresh browser context; at the end it has done nothing that it must not."""
    context = browser.new_context(**options)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(15_000)
    watch = Watch(origin)
    page.on("console", watch.console)
    page.on("request", watch.request)
    page.on("pageerror", lambda error: watch.faults.append(f"script: {error}"))
    page.on("dialog", watch.dialog)
    page.goto(origin)
    yield page
    context.close()
    assert watch.faults == []


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address) as one:
        yield one


def type_and_search(page: Page, words: str) -> None:
    page.get_by_label("Words or a question").fill(words)
    page.keyboard.press("Enter")


def shown(page: Page, gallery: str = "results") -> list[str]:
    """The captions of a gallery, without ranks and scores."""
    page.locator(f"#{gallery} button img").first.wait_for()
    captions = page.locator(f"#{gallery} .caption-label").all_text_contents()
    return [caption.split(" · ")[2] for caption in captions]


def names(project: Project, query: Query, method: str = "hybrid") -> list[str]:
    return [f"{one.collection}/{one.uri}" for one in search(project, query, method=method, limit=12)]  # type: ignore[arg-type]


def test_words_and_enter_find_what_the_domain_finds_and_markup_is_shown_as_text(page: Page, project: Project) -> None:
    type_and_search(page, "invoice 7731")
    assert shown(page) == names(project, Query("invoice 7731"))
    page.locator("#results button", has=page.locator('img[alt*="onerror"]')).click()
    facts = page.locator("#facts")
    expect(facts.get_by_role("heading", name=NAME)).to_be_visible()
    expect(facts.locator(".ocr")).to_have_text(HOSTILE)
    assert facts.locator("mark").all_text_contents() == ["INVOICE", "7731"]
    assert facts.locator("script, img, b").count() == 0
    # Nor did anything that came later: the chosen picture is there.
    expect(page.locator("#chosen img")).to_be_visible()


def test_a_dropped_picture_finds_its_like_and_more_like_this_leaves_it_out(page: Page, project: Project) -> None:
    data = base64.b64encode((Path(project.settings.collections[0].source) / "picture-0002.png").read_bytes()).decode()
    dropped = page.evaluate_handle(
        """(data) => {
            const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], 'mine.png', {type: 'image/png'}));
            return transfer;
        }""",
        data,
    )
    page.locator("#picture button").first.dispatch_event("drop", {"dataTransfer": dropped})
    page.locator("#picture img").wait_for()
    page.get_by_role("button", name="Search").click()
    assert shown(page)[0] == "shop/picture-0002.png"
    page.locator("#results button").first.click()
    page.get_by_role("button", name="More like this").click()
    expect(page.locator("#status")).to_contain_text("Images like shop/picture-0002.png.")
    assert shown(page) == names(project, Query(image_id="shop/picture-0002.png"))
    assert "shop/picture-0002.png" not in shown(page)


def test_an_answers_citation_leads_to_its_image(page: Page) -> None:
    page.get_by_label("Words or a question").fill("invoice 7731")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_role("button", name="Image 1", exact=True).click()
    first = shown(page)[0]
    expect(page.locator("#facts").get_by_role("heading").first).to_have_text(first)
    assert page.locator("#answer script, #answer img, #answer b").count() == 0


def test_an_answer_that_cites_nothing_says_so_once() -> None:
    shown_answer = views.answer(Answer("Which?", "That one.", uncited=True, notes=("The answer cites no image.",)))
    assert shown_answer.count("<li>") == 1


def test_two_methods_are_shown_side_by_side_and_a_bad_filter_is_told(page: Page, project: Project) -> None:
    page.get_by_role("button", name="Filters and methods").click()
    page.get_by_label("Words or a question").fill("part 4001")
    page.locator("#method").get_by_label("text").check()
    page.locator("#beside-method").get_by_label("clip").check()
    page.get_by_role("button", name="Search").click()
    assert shown(page, "beside") == names(project, Query("part 4001"), "clip")
    assert shown(page) == names(project, Query("part 4001"), "text") == ["shop/picture-0001.png"]
    page.get_by_label("Conditions, one a line").fill("<b>bad</b>")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("alert")).to_contain_text("'<b>bad</b>' has no meaning")
    expect(page.locator("#beside")).to_be_hidden()


def test_the_keyboard_alone_is_enough_on_a_narrow_screen(browser: Browser, address: str) -> None:
    with opened(browser, address, viewport={"width": 390, "height": 844}) as page:
        expect(page.get_by_label("Words or a question")).to_be_visible()
        type_and_search(page, "invoice 7731")
        names_shown = shown(page)
        page.locator("#results button").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#facts").get_by_role("heading").first).to_have_text(names_shown[0])
        assert_fits(page, 390)
        page.get_by_role("button", name="Filters and methods").click()
        page.locator("#beside-method").get_by_label("text").check()
        page.get_by_role("button", name="Search").click()
        assert shown(page, "beside")
        assert_fits(page, 390)
        page.get_by_role("button", name="Ask", exact=True).click()
        page.get_by_role("button", name="Image 1", exact=True).click()
        assert_fits(page, 390)


def assert_fits(page: Page, width: int) -> None:
    """Nothing that is seen reaches over the screen's edge, not even into what could be scrolled to."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        """(width) => [...document.querySelectorAll('button, input, textarea, img, h1, h2, p, td, label')]
            .filter((one) => one.checkVisibility({visibilityProperty: true, opacityProperty: true}))
            .filter((one) => one.getBoundingClientRect().right > width + 1)
            .map((one) => one.outerHTML.slice(0, 200))""",
        width,
    )
    assert outside == []


def test_an_added_picture_is_in_the_collection_and_the_next_run_takes_it(
    page: Page, project: Project, tmp_path: Path
) -> None:
    file = tmp_path / "new <b>.png"
    draw(11).save(file)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    page.get_by_role("button", name="Add pictures").click()
    page.locator("#files input[type=file]").set_input_files([file, tmp_path / "broken.png"])
    page.locator("#files").get_by_text("broken").first.wait_for()
    page.locator("#add").click()
    expect(page.locator("#added")).to_contain_text("stored: the next run indexes it")
    expect(page.locator("#added").get_by_role("alert")).to_contain_text("broken.png: The file cannot be used")
    (report,) = raw_images.run(project, RunOptions()).values()
    assert report.new == 1


def marks(folder: Path) -> list[tuple[str, ...]]:
    """(query id, corpus-id, grade) of every line of the qrels."""
    return [tuple(line.split("\t")) for line in (folder / "qrels.tsv").read_text().splitlines()[1:]]


def press_mark(page: Page, key: str) -> None:
    """Press once the mark before it is over: its outcome shows a moment before that, and until then none is taken."""
    expect(page.locator("#judged .wrap")).to_contain_class("hide")
    page.keyboard.press(key)


def test_pooled_images_are_judged_one_by_one_by_buttons_and_by_keys(page: Page, pooled: Path) -> None:
    waiting = [(query_id, one.corpus_id) for query_id, images in read_pool(pooled).items() for one in images]
    left = page.locator("#left")
    page.get_by_role("tab", name="Judge").click()
    expect(left).to_have_text(f"{len(waiting)} of {len(waiting)} images are left")
    expect(page.locator("#asked").get_by_role("heading")).to_have_text(HOSTILE)
    assert page.locator("#asked script, #asked b").count() == 0
    expect(page.locator("#judging img")).to_be_visible()
    expect(page.locator("#judge-facts")).to_contain_text(f"shop/{waiting[0][1]}")
    expect(page.locator("#example")).to_be_hidden()

    page.get_by_role("button", name="exactly what was asked for (3)").click()
    expect(left).to_contain_text(f"{len(waiting) - 1} of")
    press_mark(page, "0")
    expect(left).to_contain_text(f"{len(waiting) - 2} of")
    press_mark(page, "u")
    expect(page.locator("#judged")).to_contain_text(f"Taken back: {waiting[1][1]}.")
    expect(page.locator("#judge-facts")).to_contain_text(f"shop/{waiting[1][1]}")
    assert marks(pooled) == [(*waiting[0], "3")]
    press_mark(page, "s")
    expect(left).to_contain_text("1 of them skipped")
    page.get_by_label("Benchmark").click()
    page.get_by_role("option", name="shop").click()
    expect(left).not_to_contain_text("skipped")
    press_mark(page, "s")
    expect(left).to_contain_text("1 of them skipped")
    for number, (query_id, _) in enumerate(waiting[2:], start=2):
        expect(left).to_contain_text(f"{len(waiting) - number + 1} of")
        expect(page.locator("#example")).to_be_visible(visible=query_id == "q2")
        press_mark(page, "2")
    expect(page.locator("#judged")).to_contain_text("1 images were skipped")
    assert marks(pooled) == [(*waiting[0], "3"), *((*one, "2") for one in waiting[2:])]
    press_mark(page, "s")
    expect(page.locator("#judge-facts")).to_contain_text(f"shop/{waiting[1][1]}")
    press_mark(page, "1")
    expect(page.locator("#judged")).to_contain_text("Every pooled image is judged.")


def test_a_phone_is_wide_enough_to_judge_on(browser: Browser, address: str, pooled: Path) -> None:
    with opened(browser, address, viewport={"width": 390, "height": 844}) as page:
        page.get_by_role("tab", name="Judge").click()
        expect(page.locator("#judging img")).to_be_visible()
        assert_fits(page, 390)
        shutil.rmtree(pooled)
        press_mark(page, "1")
        expect(page.get_by_role("alert")).to_contain_text("does not exist")
        page.get_by_role("tab", name="Search").click()
        page.get_by_role("tab", name="Judge").click()
        expect(page.locator("#judged")).to_contain_text("No collection's benchmark has an image that waits")
        expect(page.get_by_role("button", name="undo")).to_be_hidden()


def test_nothing_was_fetched_by_the_server_either(page: Page, calls_of_the_server: list[object]) -> None:
    assert calls_of_the_server == []
    # Gradio would fetch a picture that a request gives the address of.
    answer = page.evaluate(
        """async () => {
            const picture = {path: 'http://127.0.0.1:1/x.png', meta: {_type: 'gradio.FileData'}};
            const body = {data: [picture, '', [], '', 'clip', 'alone', 3], fn_index: 0, session_hash: 'abc'};
            const headers = {'content-type': 'application/json'};
            await fetch('/gradio_api/queue/join', {method: 'POST', headers, body: JSON.stringify(body)});
            const signal = AbortSignal.timeout(10000);
            return await (await fetch('/gradio_api/queue/data?session_hash=abc', {signal})).text();
        }"""
    )
    assert "Only files of your own are taken" in answer


def test_what_is_not_the_pages_stays_the_apis(page: Page, address: str) -> None:
    for path, status in (("/nope", 404), ("/gradio_api/proxy=http://127.0.0.1/", 404), ("/gradio_api/runs", 404)):
        answer = page.request.get(f"{address}{path}")
        assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), path
    assert page.request.delete(f"{address}/search").status == 405


def test_behind_a_proxy_with_tls_the_sessions_cookie_is_for_https_alone(project: Project) -> None:
    with project.database.connect() as connection:
        _, reading = keys.create(connection, "for cookies", ["read"])
    for secure in (True, False):
        app = FastAPI()
        add_login(app, Sessions(project), secure=secure)
        answer = TestClient(app).post("/login", data={"key": reading}, follow_redirects=False)
        assert ("Secure" in answer.headers["set-cookie"]) == secure
        assert "HttpOnly" in answer.headers["set-cookie"]


def test_with_keys_the_page_asks_for_one_and_revoking_it_ends_the_session(
    browser: Browser, project: Project, pooled: Path
) -> None:
    guarded = Project(project.settings.model_copy(update={"serving": type(project.settings.serving)()}))
    with project.database.connect() as connection:
        _, writing = keys.create(connection, "writer", ["write"])
        _, reading = keys.create(connection, "reader", ["read"])
    context = browser.new_context()
    page = context.new_page()
    with served(guarded) as origin:
        for path in ("/config", "/gradio_api/info", "/gradio_api/queue/data?session_hash=a"):
            assert page.request.get(f"{origin}{path}").status == 401, path
        page.goto(origin)
        assert page.url == f"{origin}/login"
        for key, told in (("imagerag_a_b", "unknown"), (writing, "may not read")):
            page.get_by_label("Key").fill(key)
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("alert")).to_contain_text(told)
        page.get_by_label("Key").fill(reading)
        page.keyboard.press("Enter")
        type_and_search(page, "invoice 7731")
        assert shown(page)
        (cookie,) = context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert reading not in cookie["value"]
        page.get_by_role("tab", name="Judge").click()
        page.get_by_role("button", name="undo").wait_for()
        page.keyboard.press("3")
        expect(page.get_by_role("alert")).to_have_text("This key may only read: judging needs the scope write.")
        assert marks(pooled) == []
        page.get_by_role("button", name="Sign out").click()
        assert page.url == f"{origin}/login"
        page.get_by_label("Key").fill(reading)
        page.keyboard.press("Enter")
        page.get_by_label("Words or a question").wait_for()
        with project.database.connect() as connection:
            keys.revoke(connection, "reader")
        assert page.request.get(f"{origin}/config").status == 401
        page.goto(origin)
        assert page.url == f"{origin}/login"
    context.close()
