"""vlm_descriptions by a vision model in this process: tiny models of the families that the settings name."""

from __future__ import annotations

import importlib.util
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from imagerag_assets.database.connection import one_row
from imagerag_assets.errors import ModelError
from imagerag_assets.project import Project
from imagerag_assets.stages import vlm_descriptions
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.models.fault_server import GOOD
from imagerag_assets_tests.models.tiny_vlms import FAMILIES, llava
from imagerag_assets_tests.stages.described import MakeProject, failures, outcomes, read_by_hand, write_colours

# The processors of the other families need torchvision, which is no dependency: they are tested where it is installed.
_families = [name for name in FAMILIES if name == "llava" or importlib.util.find_spec("torchvision")]


def local(make_project: MakeProject, folder: Path, model: Path | str, **more: Any) -> Project:
    describer = {"kind": "local", "model": str(model), "max_output_tokens": 16, **more}
    project = make_project({"shop": folder}, models={"describer": describer})
    read_by_hand(project, "PART 4001")
    return project


@pytest.mark.parametrize("family", _families)
def test_a_model_of_each_family_describes_in_process(make_project: MakeProject, tmp_path: Path, family: str) -> None:
    model = FAMILIES[family](tmp_path / "model", json.dumps(GOOD))
    project = local(make_project, write_colours(tmp_path / "shop", 2), model)
    report = vlm_descriptions.run(project, RunOptions())
    assert (report.new, report.failed, report.cost_usd) == (2, 0, 0)
    with project.database.connect() as connection:
        row = one_row(connection.execute("select general, tags, cost_usd from vlm_descriptions limit 1"))
        call = one_row(
            connection.execute(
                "select distinct preset, outcome, tokens_in > 300, tokens_out, cost_usd from model_calls"
            )
        )
    assert row == (GOOD["general_description"], ["blue", "part"], 0)
    # The answer is one token of that model, and the end another.
    assert call == ("local", "ok", True, 2, Decimal(0))
    assert vlm_descriptions.run(project, RunOptions()).worked == 0


@pytest.mark.parametrize("family", _families)
def test_a_random_model_of_each_family_fails_its_images_and_not_the_run(
    make_project: MakeProject, tmp_path: Path, family: str
) -> None:
    project = local(make_project, write_colours(tmp_path / "shop", 4), FAMILIES[family](tmp_path / "model"))
    report = vlm_descriptions.run(project, RunOptions())
    assert (report.new, report.failed) == (0, 4)
    with project.database.connect() as connection:
        assert outcomes(connection) == {"invalid": 8}
        assert all(told.startswith("invalid_answer: ") for told in failures(connection).values())


def test_other_weights_describe_anew(make_project: MakeProject, tmp_path: Path) -> None:
    folder = write_colours(tmp_path / "shop", 1)
    first = local(make_project, folder, llava(tmp_path / "one", json.dumps(GOOD)))
    second = local(make_project, folder, llava(tmp_path / "other", json.dumps({**GOOD, "visible_text": ""})))
    prints = {vlm_descriptions.stage(project).fingerprint for project in (first, second)}
    assert len(prints) == 2


def test_a_model_that_cannot_be_loaded_or_asked_is_told(make_project: MakeProject, tmp_path: Path) -> None:
    folder = write_colours(tmp_path / "shop", 1)
    with pytest.raises(ModelError, match=r"models\.describer\.model: the folder /nowhere does not exist"):
        vlm_descriptions.run(local(make_project, folder, "/nowhere"), RunOptions())
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match="cannot be loaded as an image-text-to-text model"):
        vlm_descriptions.run(local(make_project, folder, empty), RunOptions())
    silent = llava(tmp_path / "silent")
    (silent / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="has no chat template"):
        vlm_descriptions.run(local(make_project, folder, silent), RunOptions())
