"""The page's tab Judge: the images of a pool one by one, each to be marked. The marks are `judging`'s, as a terminal's.

A benchmark goes by the name of the collection whose setting names its folder; no path comes from a browser.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from imagerag_assets.errors import BenchmarkError, ImageragError
from imagerag_assets.evaluation.benchmarks import judging
from imagerag_assets.evaluation.benchmarks.files import read_rules
from imagerag_assets.evaluation.benchmarks.judging import Candidate
from imagerag_assets.evaluation.benchmarks.pooling import POOL
from imagerag_assets.project import Project
from imagerag_assets.retrieval.images import find_image
from imagerag_assets.serving.api.bodies import query_picture
from imagerag_assets.serving.page import pictures, views
from imagerag_assets.serving.page.guard import MENDABLE, Guard, message
from imagerag_assets.settings import SAMPLE_SCHEME
from imagerag_assets.stages.benchmark_queries import benchmark_folder

_BUTTON = "mark-"
_SKIP, _UNDO = "s", "u"
_HIDDEN = gr.update(value=None, visible=False)
# A key presses the button that is named after it, as in the terminal. Assigned, not added: a tab may be drawn twice.
_KEYS = f"""
document.onkeydown = (event) => {{
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest('input:not([readonly]), textarea')) return;
    const button = /^[a-z0-9]$/i.test(event.key) && document.getElementById('{_BUTTON}' + event.key.toLowerCase());
    if (button && button.checkVisibility({{visibilityProperty: true}})) button.click();
}};
"""


@dataclass(frozen=True)
class _Turn:
    """What one person sees: `shown` and `skipped` are (query id, corpus-id) of the benchmark."""

    benchmark: str
    shown: tuple[str, str] | None = None
    skipped: frozenset[tuple[str, str]] = frozenset()


def judge_parts(guard: Guard, tab: gr.Tab) -> None:
    """Fill the tab, which is open as a context."""
    work = _Work(guard)
    with gr.Row():
        # Nothing to type: digits are marks.
        benchmark = gr.Dropdown([], label="Benchmark", filterable=False, elem_id="benchmark")
    told = gr.HTML(elem_id="judged")
    asked = gr.HTML(elem_id="asked", js_on_load=_KEYS)
    with gr.Row(visible=False, elem_id="to-judge") as row:
        with gr.Column(scale=3, min_width=300):
            picture = gr.Image(
                label="The image to judge", interactive=False, height="50vh", buttons=["fullscreen"], elem_id="judging"
            )
        with gr.Column(scale=2, min_width=300):
            marks = [_button(str(grade), word) for grade, word in reversed(judging.GRADES.items())]
            with gr.Row():
                marks += [_button(_SKIP, "skip"), _button(_UNDO, "undo")]
            facts = gr.HTML(elem_id="judge-facts")
            example = gr.Image(
                label="The example that was asked with", interactive=False, height=220, buttons=["fullscreen"],
                visible=False, elem_id="example",
            )  # fmt: skip
    turn = gr.State(None)
    shown = [told, asked, row, picture, example, facts, turn]
    on: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
    tab.select(work.begin, [turn], [benchmark, *shown], **on)
    benchmark.input(work.choose, [benchmark], shown, **on)
    # One event for all of them: while a mark is on its way no other is taken, so none falls on an image nobody saw.
    gr.on([one.click for one in marks], work.mark, [turn], shown, **on)


def _button(key: str, word: str) -> gr.Button:
    return gr.Button(f"{word} ({key})", min_width=100, elem_id=f"{_BUTTON}{key}")


class _Work:
    """What the tab's events do. All but the benchmark's own choice fill the same outputs."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._project = guard.project

    async def begin(self, turn: _Turn | None) -> tuple[Any, ...]:
        """Offer the benchmarks that have something to judge, and go on with the one that was open, or the first."""
        names = await self._guard.told_in_time(lambda: _waiting(self._project))
        if turn is None or turn.benchmark not in names:
            turn = _Turn(names[0]) if names else None
        chosen = gr.update(choices=names, value=turn.benchmark if turn else None)
        return chosen, *await self._told(turn)

    async def choose(self, name: str | None) -> tuple[Any, ...]:
        """Begin with a benchmark; what was skipped comes again."""
        return await self._told(_Turn(name) if name else None)

    async def mark(self, turn: _Turn | None, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Mark what is shown, put it off, or take the last mark back, by the button that was pressed."""
        pressed = str(event.target.elem_id).removeprefix(_BUTTON) if event.target else ""
        if turn is not None and pressed == _SKIP:
            skipped = turn.skipped | {turn.shown} if turn.shown else frozenset()
            return await self._told(replace(turn, skipped=skipped))
        if turn is None or (turn.shown is None and pressed != _UNDO):
            return await self._told(turn)
        try:
            await self._guard.writer(request, "judging")
            said = await self._guard.door.in_thread(lambda: _write(self._project, turn, pressed))
        except MENDABLE as error:
            return views.status(message(error), trouble=True), *(gr.skip() for _ in range(6))
        return await self._told(turn, said)

    async def _told(self, turn: _Turn | None, said: str = "") -> tuple[Any, ...]:
        if turn is None:
            return _nothing(
                "No collection's benchmark has an image that waits to be judged. imagerag benchmark new makes one; "
                "the collection's setting benchmark names it.", None,
            )  # fmt: skip
        try:
            return await self._guard.door.in_thread(lambda: _next(self._project, turn, said))
        except MENDABLE as error:
            return _nothing(message(error), turn, trouble=True)


def _waiting(project: Project) -> list[str]:
    """The benchmarks with something to judge, and those that cannot be read: whoever chooses one is told why."""
    # A sample's benchmark has no pool, and asking where it is would draw it.
    named = [one for one in project.settings.collections if not (one.benchmark or "").startswith(SAMPLE_SCHEME)]
    return [one.name for one in named if one.benchmark and _waits(project, one.name)]


def _waits(project: Project, name: str) -> bool:
    try:
        folder = _folder(project, name)
    except BenchmarkError:
        # There is no folder yet.
        return False
    try:
        return (folder / POOL).is_file() and judging.next_unjudged(folder, _source(project, folder)) is not None
    except ImageragError:
        return True


def _folder(project: Project, name: str) -> Path:
    return benchmark_folder(project, project.settings.collection(name))


def _source(project: Project, folder: Path) -> Path | None:
    return project.source_folder(read_rules(folder).collection)


def _write(project: Project, turn: _Turn, pressed: str) -> str:
    """Do what the button says, and give what is to be said of it."""
    folder = _folder(project, turn.benchmark)
    source = _source(project, folder)
    try:
        if pressed == _UNDO:
            back = judging.undo(folder, source)
            return f"Taken back: {back.corpus_id}." if back else "There is no mark."
        if turn.shown:
            judging.judge(folder, *turn.shown, int(pressed), source)
    except OSError as error:
        raise BenchmarkError(f"{folder} cannot be written: {error.strerror or error}. Nothing was marked.") from None
    return ""


def _next(project: Project, turn: _Turn, said: str) -> tuple[Any, ...]:
    """The next image in all outputs."""
    folder = _folder(project, turn.benchmark)
    candidate = judging.next_unjudged(folder, _source(project, folder), turn.skipped)
    if candidate is None:
        left = len(turn.skipped)
        done = f"{left} images were skipped: skip once more to see them again." if left else ""
        return _nothing(f"{said} {done or 'Every pooled image is judged.'}".strip(), replace(turn, shown=None))
    picture, facts = _pictured(project, turn.benchmark, candidate)
    example = _example(project, candidate)
    return (
        views.status(said), views.asked(candidate, len(turn.skipped)), gr.update(visible=True),
        gr.update(value=picture, visible=True),
        gr.update(value=example, visible=example is not None), facts,
        replace(turn, shown=(candidate.query.query_id, candidate.image.corpus_id)),
    )  # fmt: skip


def _pictured(project: Project, name: str, candidate: Candidate) -> tuple[Image.Image | None, str]:
    """(the picture, None where it is gone; what is known of it)."""
    picture, note, description = None, "", ""
    with project.database.connect() as connection:
        try:
            picture, note = pictures.whole(connection, project, candidate.image.content)
            description = find_image(connection, project, candidate.image.content).general
        except ImageragError as error:
            note = str(error)
    return picture, views.to_judge(f"{name}/{candidate.image.corpus_id}", description, note)


def _example(project: Project, candidate: Candidate) -> Image.Image | None:
    if candidate.query.image is None:
        return None
    picture = query_picture(candidate.query.image.read_bytes(), project.settings)
    picture.thumbnail((pictures.PREVIEW_SIDE, pictures.PREVIEW_SIDE))
    return picture


def _nothing(told: str, turn: _Turn | None, *, trouble: bool = False) -> tuple[Any, ...]:
    """No image, only words. The row stays where there may be a mark to take back."""
    return (
        views.status(told, trouble=trouble), "", gr.update(visible=turn is not None), _HIDDEN, _HIDDEN, "", turn,
    )  # fmt: skip
