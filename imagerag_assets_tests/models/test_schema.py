"""What counts as a description, and what a model's text may look like around it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerag_assets.models.describers.schema import JSON_SCHEMA, Answer, InvalidAnswerError, parse_answer
from imagerag_assets_tests.models.fault_server import GOOD


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        "```json\n" + json.dumps(GOOD, indent=2) + "\n```",
        "Here is the description you asked for {as JSON}:\n" + json.dumps(GOOD) + "\nAnything else?",
        json.dumps({**GOOD, "extra": [1]}),
        json.dumps(
            {
                "General Description": GOOD["general_description"],
                "Key Elements": "blue part, white table",
                "visible-text": ["PART 4001"],
                "Category": "machine part",
                "tags": ["blue", "part", "blue"],
            }
        ),
    ],
    ids=["bare", "fenced", "among words", "with more", "with other names"],
)
def test_a_description_is_found_however_it_is_dressed(text: str) -> None:
    found = parse_answer(text)
    assert found.general == GOOD["general_description"]
    assert found.key_elements == ("blue part", "white table")
    assert found.visible_text == "PART 4001"
    assert (found.category, found.tags) == ("machine part", ("blue", "part"))
    assert found.confidence is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"),
        ("A blue part.", "no complete JSON object"),
        (json.dumps(GOOD)[:60], "no complete JSON object"),
        ("[1, 2]", "no complete JSON object"),
        ("{}", "general_description: Field required"),
        (json.dumps({**GOOD, "general_description": "  \u0000 "}), "general_description: must not be empty"),
        (json.dumps({**GOOD, "key_elements": {"a": 1}}), "key_elements"),
        (json.dumps({**GOOD, "metadata": {"category": "part"}}), "metadata.tags: Field required"),
        (json.dumps({**GOOD, "metadata": "part"}), "metadata"),
    ],
)
def test_what_is_no_description_says_what_it_lacks(text: str, fault: str) -> None:
    with pytest.raises(InvalidAnswerError, match=fault):
        parse_answer(text)


@given(st.text(), st.lists(st.text()), st.text())
def test_whatever_a_model_writes_into_its_answer_can_be_stored(general: str, elements: list[str], text: str) -> None:
    metadata = {"category": "x", "tags": elements}
    values = {"general_description": f"a{general}", "key_elements": elements, "visible_text": text}
    found = parse_answer(json.dumps({**values, "metadata": metadata}))
    for part in (found.general, found.visible_text, *found.key_elements, *found.tags):
        assert "\0" not in part
        part.encode()
    assert len(found.key_elements) <= 40


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(InvalidAnswerError):
        parse_answer(text.replace("{", ""))


def test_the_schema_is_one_that_servers_with_guaranteed_output_take() -> None:
    def objects(node: object) -> list[dict[str, object]]:
        if isinstance(node, list):
            return [found for part in node for found in objects(part)]
        if not isinstance(node, dict):
            return []
        return ([node] if node.get("type") == "object" else []) + objects(list(node.values()))

    assert "$ref" not in json.dumps(JSON_SCHEMA)
    assert len(objects(JSON_SCHEMA)) == 2
    for found in objects(JSON_SCHEMA):
        assert found["required"] == list(found["properties"])  # type: ignore[call-overload]
        assert found["additionalProperties"] is False
    assert set(JSON_SCHEMA["properties"]) == set(Answer.model_fields)
