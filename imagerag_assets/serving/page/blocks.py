"""The page's parts and what happens when they are used. What is shown of an image is `views`'."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from imagerag_assets.answers import Answer, ask_stream
from imagerag_assets.methods import METHODS, Method
from imagerag_assets.project import Project
from imagerag_assets.retrieval.filters import Condition, parse_conditions
from imagerag_assets.retrieval.search import Query, Result, nothing_good_enough, search
from imagerag_assets.serving.api.bodies import query_picture
from imagerag_assets.serving.api.door import Door
from imagerag_assets.serving.api.uploads import Upload, store
from imagerag_assets.serving.page import pictures, views
from imagerag_assets.serving.page.guard import MENDABLE, Guard, message
from imagerag_assets.serving.page.judge import judge_parts
from imagerag_assets.serving.page.login import Sessions

ALONE = "alone"
_MOST_FILES = 20
_CACHE_SECONDS = 3600
"""Pictures that people look for or add lie in Gradio's folder for no longer than this."""
# A citation's button tells the page which image it leads to.
_CITE = """
element.addEventListener('click', (event) => {
    const chosen = event.target.closest('[data-cite]');
    if (chosen) trigger('click', {number: Number(chosen.dataset.cite)});
});
"""
# With many results the chosen image would be out of sight.
_SHOW_DETAILS = "() => document.getElementById('details')?.scrollIntoView({block: 'nearest'})"
Found = tuple[Result, ...]
Shown = list[tuple[Image.Image, str]]


def theme() -> gr.themes.Base:
    """Gradio's look with the system's fonts: nothing is loaded from anywhere."""
    return gr.themes.Default(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"], primary_hue="blue"
    )


class _Page(gr.Blocks):
    """Blocks that take uploaded files alone.

    Gradio would fetch a file that a request gives the address of; and it looks whether a path is an upload's only in
    applications that it launches itself, not in those that it is mounted in: any file of this machine could be read.
    """

    uploads: Path

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *more: Any, **options: Any) -> Any:
        _require_uploaded(inputs, self.uploads.resolve())
        return await super().preprocess_data(block_fn, inputs, *more, **options)


def _require_uploaded(value: Any, folder: Path) -> None:
    """Raise `gradio.Error` for a file, however deep in the value, that is not in the folder of uploads."""
    if isinstance(value, dict):
        if "path" in value and not _is_inside(value["path"], folder):
            raise gr.Error("Only files of your own are taken.")
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            _require_uploaded(one, folder)


def _is_inside(path: Any, folder: Path) -> bool:
    # A path with NUL cannot be resolved, and no upload has one.
    if not isinstance(path, str) or "\x00" in path or not Path(path).is_absolute():
        return False
    return Path(path).resolve().is_relative_to(folder)


def make_page(door: Door, sessions: Sessions | None, uploads: Path) -> gr.Blocks:
    """The page of a door; without `sessions` everyone may do everything. Gradio keeps files in `uploads`."""
    guard = Guard(door, sessions)
    with _Page(
        title="Imagerag", analytics_enabled=False, fill_width=True, delete_cache=(_CACHE_SECONDS, _CACHE_SECONDS)
    ) as opened:
        opened.uploads = uploads
        page: gr.Blocks = opened
        gr.HTML(views.header(signed_in=sessions is not None))
        with gr.Tabs():
            with gr.Tab("Search"):
                _search_parts(guard)
            with gr.Tab("Judge", elem_id="judge") as judge:
                judge_parts(guard, judge)
    page.queue(default_concurrency_limit=8, max_size=100)
    return page


def _search_parts(guard: Guard) -> None:
    work = _Work(guard)
    asked = _query_parts(guard.project)
    status = gr.HTML(elem_id="status")
    answer = gr.HTML(elem_id="answer", js_on_load=_CITE)
    with gr.Row():
        first, second = (_gallery(name, visible=name == "results") for name in ("results", "beside"))
    with gr.Row(visible=False, elem_id="details") as details:
        with gr.Column(scale=3, min_width=300):
            shown = gr.Image(label="The chosen image", interactive=False, buttons=["fullscreen"], elem_id="chosen")
            more = gr.Button("More like this", elem_id="more")
        with gr.Column(scale=2, min_width=300):
            facts = gr.HTML(elem_id="facts")
    _upload_parts(guard.project, work)
    found, found_beside, chosen, words = gr.State(()), gr.State(()), gr.State(None), gr.State("")

    results = [status, answer, first, second, found, found_beside, words, details]
    detailed = [details, shown, facts, chosen]
    on: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
    picture, text, *narrowed, search_button, ask_button = asked
    gr.on([search_button.click, text.submit], work.search, [picture, text, *narrowed], results, **on)
    ask_button.click(work.ask, [picture, text, *narrowed], results, **on)
    more.click(work.more, [chosen, *narrowed], results, **on)
    for chosen_by in (
        first.select(work.choose, [found, words], detailed, **on),
        second.select(work.choose, [found_beside, words], detailed, **on),
        answer.click(work.cited, [found, words], detailed, **on),
    ):
        chosen_by.then(None, js=_SHOW_DETAILS)


def _query_parts(project: Project) -> tuple[Any, ...]:
    """Picture, text, collections, conditions, method, method beside it, number of results, and the two buttons."""
    with gr.Row():
        with gr.Column(scale=2, min_width=260):
            picture = gr.Image(
                label="Picture: drop, paste or choose", sources=["upload", "clipboard"], type="filepath",
                image_mode=None, height=200, buttons=[], elem_id="picture",
            )  # fmt: skip
            # The domain decodes it, in a process of its own; Gradio would in this one.
            picture.preprocess = lambda payload: payload.path if payload else None  # type: ignore[method-assign]
        with gr.Column(scale=5, min_width=300):
            text = gr.Textbox(
                "", label="Words or a question", placeholder="red mug on a wooden table", autofocus=True,
                max_length=project.settings.serving.max_query_characters, elem_id="text",
            )  # fmt: skip
            with gr.Row():
                search_button = gr.Button("Search", variant="primary", min_width=100, elem_id="search")
                ask_button = gr.Button("Ask", min_width=100, elem_id="ask")
            with gr.Accordion("Filters and methods", open=False):
                names = [one.name for one in project.settings.collections]
                collections = gr.Dropdown(
                    names, label="Collections (none: all)", multiselect=True, elem_id="collections"
                )
                where = gr.Textbox(
                    "",
                    label="Conditions, one a line",
                    placeholder="category=mug\nwidth>=1000",
                    lines=2,
                    elem_id="where",
                )
                method = gr.Radio(list(METHODS), value="hybrid", label="Method", elem_id="method")
                beside = gr.Radio([ALONE, *METHODS], value=ALONE, label="Side by side with", elem_id="beside-method")
                limit = gr.Slider(1, 50, 12, step=1, label="Results", elem_id="limit")
    return picture, text, collections, where, method, beside, limit, search_button, ask_button


def _gallery(name: str, *, visible: bool) -> gr.Gallery:
    return gr.Gallery(
        label="Results", columns=4, height="auto", object_fit="contain", allow_preview=False, interactive=False,
        buttons=[], visible=visible, elem_id=name,
    )  # fmt: skip


def _upload_parts(project: Project, work: _Work) -> None:
    names = [one.name for one in project.settings.collections]
    with gr.Accordion("Add pictures", open=False):
        files = gr.File(label="Pictures", file_count="multiple", type="filepath", elem_id="files")
        into = gr.Dropdown(names, value=names[0], label="Into the collection", elem_id="into")
        button = gr.Button("Add", elem_id="add")
        told = gr.HTML(elem_id="added")
    button.click(work.upload, [files, into], [told, files], api_visibility="private")


@dataclass(frozen=True)
class _Narrowed:
    """The page's filters and methods, as Gradio gives them: an empty field may be None."""

    collections: list[str] | None
    conditions: str | None
    method: Method
    beside: str
    limit: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.collections or ())

    @property
    def where(self) -> tuple[Condition, ...]:
        """Raises `QueryError`."""
        return parse_conditions(line for line in (self.conditions or "").splitlines() if line.strip())


class _Work:
    """What the events do: in the door's threads, and no longer than it gives them.

    Every search and answer fills the same outputs.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._door = guard.door
        self._project = guard.project

    async def search(self, picture: str | None, text: str | None, *narrowed: Any) -> tuple[Any, ...]:
        """Fill the gallery, or two of them side by side."""
        words = text or ""
        return await self._searched(lambda: Query(words, self._opened(picture)), words, _Narrowed(*narrowed))

    async def more(self, chosen: Result | None, *narrowed: Any) -> tuple[Any, ...]:
        """Search by the chosen image."""
        if chosen is None:
            return _failed("Choose an image first.")
        told = await self._searched(lambda: Query(image_id=chosen.content), "", _Narrowed(*narrowed))
        like = views.status(f"Images like {chosen.collection}/{chosen.uri}.")
        return (told[0] or like, *told[1:])

    async def ask(self, picture: str | None, text: str | None, *narrowed: Any) -> AsyncIterator[tuple[Any, ...]]:
        """Answer, a piece at a time; then show the images that the answer is from."""
        words, chosen, said = text or "", _Narrowed(*narrowed), ""
        stream: Iterator[str | Answer] = iter(())

        def begin() -> str | Answer:
            nonlocal stream
            stream = ask_stream(
                self._project, words, image=self._opened(picture), collections=chosen.names, where=chosen.where
            )
            return next(stream)

        try:
            one: str | Answer | None = await self._door.answer_in_thread(begin)
            while isinstance(one, str):
                said += one
                yield ("", views.answer(said), *(gr.skip() for _ in range(6)))
                one = await self._door.answer_in_thread(lambda: next(stream, None))
            if one is not None:
                yield await self._door.in_thread(partial(self._answered, one, words))
        except MENDABLE as error:
            yield _failed(message(error))

    async def choose(self, found: Found, words: str, event: gr.SelectData) -> tuple[Any, ...]:
        """Show the chosen image of a gallery."""
        return await self._guard.told_in_time(lambda: self._detailed(found, int(event.index), words))

    async def cited(self, found: Found, words: str, event: gr.EventData) -> tuple[Any, ...]:
        """Show the image that a citation leads to."""
        return await self._guard.told_in_time(lambda: self._detailed(found, int(event.number) - 1, words))

    async def upload(self, files: list[str] | None, into: str, request: gr.Request) -> tuple[str, Any]:
        """Put the files into a collection's source, as the API does."""
        if not files:
            return views.status("Choose pictures first.", trouble=True), gr.skip()
        if len(files) > _MOST_FILES:
            return views.status(f"At most {_MOST_FILES} at once.", trouble=True), gr.skip()
        try:
            key_id = await self._guard.writer(request, "adding")
        except MENDABLE as error:
            return views.status(message(error), trouble=True), gr.skip()
        stored, troubles = [], []
        for file in files:
            try:
                stored.append(await self._door.in_thread(partial(self._store, into, Path(file), key_id)))
            except MENDABLE as error:
                troubles.append(views.status(f"{Path(file).name}: {message(error)}", trouble=True))
        return views.uploads(stored) + "".join(troubles), None

    def _store(self, into: str, file: Path, key_id: str | None) -> Upload:
        return store(self._project, into, file.read_bytes(), key_id)

    def _answered(self, one: Answer, words: str) -> tuple[Any, ...]:
        gallery = gr.update(value=self._pictures(one.results), label="Images that the answer is from", columns=4)
        return ("", views.answer(one), gallery, _hidden(), one.results, (), words, gr.update(visible=False))

    async def _searched(self, query: Callable[[], Query], words: str, narrowed: _Narrowed) -> tuple[Any, ...]:
        """Search by one method or two, or say what is wrong. Opening the query's picture may fail too."""
        try:
            return await self._door.in_thread(lambda: self._shown(query(), words, narrowed))
        except MENDABLE as error:
            return _failed(message(error))

    def _shown(self, query: Query, words: str, narrowed: _Narrowed) -> tuple[Any, ...]:
        found = self._found(query, narrowed.method, narrowed)
        other = self._found(query, narrowed.beside, narrowed) if narrowed.beside in METHODS else ()
        columns = 2 if other else 4
        first = gr.update(value=self._pictures(found), label=f"{narrowed.method}: {len(found)} images", columns=columns)
        second = gr.update(
            value=self._pictures(other), label=f"{narrowed.beside}: {len(other)} images", columns=columns, visible=True
        )
        told = views.status(_told(found, self._project.settings.index.relevance))
        return told, "", first, second if other else _hidden(), found, other, words, gr.update(visible=False)

    def _found(self, query: Query, method: Any, narrowed: _Narrowed) -> Found:
        found = search(
            self._project, query, method=method, collections=narrowed.names, where=narrowed.where, limit=narrowed.limit
        )
        return tuple(found)

    def _detailed(self, found: Found, index: int, words: str) -> tuple[Any, ...]:
        if not 0 <= index < len(found):
            return gr.skip(), gr.skip(), gr.skip(), None
        one = found[index]
        with self._project.database.connect() as connection:
            picture, note = pictures.preview(connection, self._project, one)
        told = views.details(one, words, self._project.settings.descriptions.trust, note)
        return gr.update(visible=True), picture, told, one

    def _pictures(self, found: Sequence[Result]) -> Shown:
        with self._project.database.connect() as connection:
            return [
                (pictures.thumbnail(connection, one), views.caption(number, one))
                for number, one in enumerate(found, start=1)
            ]

    def _opened(self, picture: str | None) -> Image.Image | None:
        return query_picture(Path(picture).read_bytes(), self._project.settings) if picture else None


def _failed(message: str) -> tuple[Any, ...]:
    nothing: list[Any] = []
    return (
        views.status(message, trouble=True), "", gr.update(value=nothing, label="Results"), _hidden(), (), (), "",
        gr.update(visible=False),
    )  # fmt: skip


def _hidden() -> Any:
    return gr.update(value=[], visible=False)


def _told(found: Found, threshold: float) -> str:
    if not found:
        return "Nothing was found."
    if nothing_good_enough(found, threshold):
        return "Nothing here is a good answer; these are the nearest."
    return ""
