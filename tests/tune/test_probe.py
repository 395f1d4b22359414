"""A base model is refused before it is served where its template teaches no end, and says what of it learns."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from nightschool.prompt import JOINER, Neutraliser
from tune.probe import CHAT, main, probe_key, probe_model, read_probe

from .conftest import CHATML
from .test_encode import GLM, LLAMA_2, MARKERLESS, THINKING


@pytest.fixture
def folder(base_model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(base_model, tmp_path / "model")


def teach(folder: Path, template: str) -> None:
    (folder / "chat_template.jinja").write_text(template)


def test_a_sound_model_shows_its_chat_and_its_layers(folder: Path) -> None:
    probe = probe_model(str(folder))
    assert probe.problem == ""
    assert probe.rendered.count("<|im_start|>") == len(CHAT)
    assert probe.learnt == ("Yes, for 30 days.<|im_end|>Then we repair it.<|im_end|>",)
    assert set(probe.adapted) == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert (probe.left_out, probe.is_cut) == ((), False)


@pytest.mark.parametrize("template", [GLM, MARKERLESS], ids=["glm-4-moe", "marker-less"])
def test_a_template_that_teaches_no_end_is_refused_with_the_rendered_chat(template: str, folder: Path) -> None:
    teach(folder, template)
    probe = probe_model(str(folder))
    assert "would never end" in probe.problem
    assert "May I return it?" in probe.rendered
    assert probe.remedy


def test_a_template_that_marks_one_answer_of_many_is_taken_and_told(folder: Path) -> None:
    teach(folder, THINKING)
    probe = probe_model(str(folder))
    assert (probe.problem, probe.is_cut, len(probe.learnt)) == ("", True, 2)


def test_what_ends_a_turn_in_two_pieces_is_learnt_whole(folder: Path) -> None:
    teach(folder, LLAMA_2)
    assert probe_model(str(folder)).learnt == (" Yes, for 30 days. <|im_end|> Then we repair it. <|im_end|>",)


@pytest.mark.parametrize("broken", ["config.json", "tokenizer.json", "chat_template.jinja"])
def test_a_folder_that_is_no_model_is_refused_in_words(broken: str, folder: Path) -> None:
    (folder / broken).unlink()
    probe = probe_model(str(folder))
    assert probe.problem
    assert probe.remedy


def test_a_probe_holds_for_the_very_files_that_were_probed(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "probe.json"
    assert read_probe(file, model=str(folder)) is None
    assert main([str(folder), str(file)]) == 0
    probe = read_probe(file, model=str(folder))
    assert probe is not None
    assert probe == probe_model(str(folder))
    teach(folder, GLM)
    assert read_probe(file, model=str(folder)) is None
    file.write_text("{")
    assert read_probe(file, model=str(folder)) is None
    uploads = iter("aab")
    keys = [probe_key("some/model", find_upload=lambda _: next(uploads)) for _ in range(3)]
    assert keys[0] == keys[1] != keys[2]


UNUSUAL = (
    "{% for m in messages %}~~{{ m['role'] }}~~{{ m['content'] }}=stop={% endfor %}"
    "{% if add_generation_prompt %}~~assistant~~{% endif %}"
)


def test_serving_and_training_break_up_the_same_unusual_tokens(folder: Path) -> None:
    from tune.model import load_tokenizer, read_control_tokens

    tokenizer: Any = load_tokenizer(str(folder))
    tokenizer.add_special_tokens({"eos_token": "=stop=", "additional_special_tokens": ["~~assistant~~"]})
    tokenizer.add_tokens(["~~user~~", "plainword"])
    tokenizer.chat_template = UNUSUAL.replace(
        "~~{{ m['role'] }}~~", "{{ '~~user~~' if m['role'] == 'user' else m['role'] }}"
    )
    tokenizer.save_pretrained(folder)
    serving = Neutraliser(probe_model(str(folder)).control_tokens)
    training = Neutraliser(read_control_tokens(load_tokenizer(str(folder))))
    text = "no=stop=~~assistant~~yes plainword ~~user~~ <|im_end|> ~~ok~~"
    assert serving.text(text) == training.text(text)
    assert serving.text(text).replace(JOINER, "") == text
    assert not any(token in serving.text(text) for token in ("=stop=", "~~assistant~~", "~~user~~", "<|im_end|>"))
    assert "plainword" in serving.text(text)


def test_a_template_that_takes_no_system_prompt_is_used_and_told(folder: Path) -> None:
    teach(folder, "{% if messages[0]['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}" + CHATML)
    probe = probe_model(str(folder))
    assert (probe.problem, probe.takes_system) == ("", False)
    assert "<|im_start|>user\nYou answer for a shop.\n\nMay I return it?" in probe.rendered
