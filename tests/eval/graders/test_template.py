"""What templates make of a row."""

import time

import pytest

from eval.graders.template import MAX_CHARS, Ungraded, check_template, fill

VALUES = {
    "item": {"q": "Where?", "n": 3, "list": [{"text": "a"}, "b"], "deep": {"er": {"x": None}}, "ü b": "names"},
    "sample": {"output_text": "There {{item.q}}"},
}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{{item.q}}", "Where?"),
        ("{{  item.q }}!", "Where?!"),
        ("{{item.n}} {{item.list[0].text}} {{item.list.1}}", "3 a b"),
        ("{{item.list}}", '[{"text": "a"}, "b"]'),
        ("{{item.deep.er.x}}", "null"),
        ("{{item.ü b}}", "names"),
        # What was filled in is text, and no template again.
        ("{{sample.output_text}}", "There {{item.q}}"),
        ("{item.q} {{}} {{ {{item.q}}", "{item.q} {{}} {{ Where?"),
        ("", ""),
    ],
)
def test_a_template_is_filled(template: str, filled: str) -> None:
    assert fill(template, VALUES) == filled


@pytest.mark.parametrize(
    "template", ["{{item.z}}", "{{item.q.x}}", "{{item.list[9]}}", "{{item.list.-1}}", "{{item.}}"]
)
def test_what_is_missing_is_told_by_its_path(template: str) -> None:
    with pytest.raises(Ungraded, match="is not there"):
        fill(template, VALUES)


@pytest.mark.parametrize("template", ["{{secret}}", "{{items.x}}", "{{__class__.x}}"])
def test_a_template_names_item_and_sample_alone(template: str) -> None:
    with pytest.raises(ValueError, match="only item and sample"):
        check_template(template)


def test_a_template_takes_neither_memory_nor_time_without_end() -> None:
    values = {"item": {"x": "a" * 1000}}
    with pytest.raises(Ungraded, match=f"longer than {MAX_CHARS}"):
        fill("{{item.x}}" * 5_000, values)
    began = time.monotonic()
    check_template("{{" * 25_000)
    check_template("{{" + " " * 50_000)
    assert time.monotonic() - began < 1
