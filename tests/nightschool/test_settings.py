"""Settings: where each value comes from, every fault at once in plain words, and no secret among them."""

import os
from pathlib import Path

import pytest

from nightschool.errors import InvalidSettings
from nightschool.faults import dotted_keys
from nightschool.settings import Settings, effective_settings, load_settings

KEYS = dotted_keys(Settings)
WRONG = {
    "a table": "{ x = 1 }",
    "a list": "[['sk-secret']]",
    "a date": "1979-05-27",
    "not a number": "nan",
    "without end": "-inf",
    "below everything": "-1",
    "too long": "0x" + "f" * 5000,
    "a control": '"\\u0000"',
    "a direction": '"\\u202e"',
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("NIGHTSCHOOL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_defaults_need_no_file() -> None:
    settings = load_settings().settings
    assert settings.server.port == 7860
    assert settings.home == Path("data")
    assert settings.engine.kind == "vllm"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nightschool.toml").write_text("[server]\nport = 8001\nhost = '0.0.0.0'\n")
    monkeypatch.setenv("NIGHTSCHOOL_PORT", "8002")
    monkeypatch.setenv("NIGHTSCHOOL_ENGINE__MODEL", "some/model")
    loaded = load_settings()
    assert (loaded.settings.server.port, loaded.settings.server.host) == (8002, "0.0.0.0")
    origins = {entry.key: entry.origin for entry in effective_settings(loaded)}
    assert origins["server.port"] == "environment NIGHTSCHOOL_PORT"
    assert origins["server.host"] == "nightschool.toml"
    assert origins["engine.model"] == "environment NIGHTSCHOOL_ENGINE__MODEL"
    assert origins["store.threads"] == "default"


def test_every_setting_explains_itself_and_secrets_stay_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_ENGINE__API_KEY", "hunter2")
    shown = effective_settings(load_settings())
    assert all(entry.help for entry in shown)
    assert "hunter2" not in repr(shown)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("", ""), ("https://Shop.example, http://localhost:8000", "https://shop.example http://localhost:8000")],
)
def test_sites_that_may_show_the_chat_are_origins(given: str, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_SERVER__WIDGET_ORIGINS", given)
    assert load_settings().settings.server.widget_origins == kept


@pytest.mark.parametrize("given", ["*", "shop.example", "https://shop.example/", "https://*.shop.example", "'none'"])
def test_what_is_no_origin_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_SERVER__WIDGET_ORIGINS", given)
    with pytest.raises(InvalidSettings, match="origin"):
        load_settings()


@pytest.mark.parametrize(("given", "gpus"), [("", ()), ("1", ("1",)), (" 1, 2 ", ("1", "2"))])
def test_gpus_of_a_training(given: str, gpus: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_NIGHT__TRAINING_GPUS", given)
    assert load_settings().settings.night.gpus == gpus


@pytest.mark.parametrize("given", ["1,1", "all", "1,,2", "-1", "²"])
def test_gpus_that_are_none_are_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_NIGHT__TRAINING_GPUS", given)
    with pytest.raises(InvalidSettings, match="must be numbers of GPUs, each once, such as 1,2"):
        load_settings()


def test_all_faults_are_told_at_once_with_origin_and_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nightschool.toml").write_text("[server]\nprot = 1\n[store]\nthreads = 'many'\n")
    monkeypatch.setenv("NIGHTSCHOOL_PORT", "700000")
    monkeypatch.setenv("NIGHTSCHOOL_HOEM", "/somewhere")
    with pytest.raises(InvalidSettings) as caught:
        load_settings()
    message = str(caught.value)
    assert "4 faults" in message
    assert "nightschool.toml: server.prot: unknown key; did you mean server.port?" in message
    assert "nightschool.toml: store.threads:" in message
    assert "environment NIGHTSCHOOL_PORT: server.port: input should be less than or equal to 65535" in message
    assert "environment NIGHTSCHOOL_HOEM: hoem: unknown key; did you mean home?" in message


@pytest.mark.parametrize("content", ["[server", "\xff\xfe"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "nightschool.toml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidSettings, match=r"nightschool.toml: is not TOML"):
        load_settings()


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_CONFIG", "missing.toml")
    with pytest.raises(InvalidSettings, match=r"missing.toml: cannot be read \(No such file or directory\)"):
        load_settings()


def told_of(text: str, tmp_path: Path) -> str:
    (tmp_path / "nightschool.toml").write_text(text)
    with pytest.raises(InvalidSettings) as caught:
        load_settings()
    assert "sk-secret" not in str(caught.value)
    return caught.value.problem


def in_toml(key: str, value: str) -> str:
    section, _, name = key.rpartition(".")
    return f"[{section}]\n{name} = {value}\n" if section else f"{name} = {value}\n"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)
def test_what_cannot_be_a_value_of_any_kind_is_told_in_one_sentence(key: str, value: str, tmp_path: Path) -> None:
    lines = told_of(in_toml(key, value), tmp_path).splitlines()
    assert lines[0] == "1 fault"
    assert lines[1].startswith(f"  nightschool.toml: {key}: ")
    assert len(lines[1]) < 300


SWITCHES = ("engine.merged_slots", "evals.python", "server.lenient", "server.strict_openai")


@pytest.mark.parametrize("key", [key for key in KEYS if key not in SWITCHES])
def test_true_is_no_number_and_no_text(key: str, tmp_path: Path) -> None:
    assert f"{key}: must not be true or false\n" in told_of(in_toml(key, "true"), tmp_path)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", ["", " ", "abc", "-1", "nan", "inf", "1e400", "\udcff", "9" * 5000])
def test_the_environment_is_read_or_told(key: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "NIGHTSCHOOL_" + key.upper().replace(".", "__")
    monkeypatch.setenv(name, value)
    try:
        told = "".join(f"  {entry.origin}: {entry.key}: \n" for entry in effective_settings(load_settings()))
    except InvalidSettings as error:
        told = error.problem
    assert f"  environment {name}: {key}: " in told


@pytest.mark.parametrize("section", ["server", "engine", "store", "night", "fine_tuning", "evals"])
def test_a_section_that_is_none_is_told_whatever_else_is_set(
    section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_PORT", "8001")
    wanted = f"{section}: is a section with keys of its own; set those"
    assert f"nightschool.toml: {wanted}" in told_of(f"{section} = 'sk-secret'\n", tmp_path)
    assert f"nightschool.toml: {wanted}" in told_of(f"{section} = ['sk-secret']\n", tmp_path)
    (tmp_path / "nightschool.toml").unlink()
    monkeypatch.setenv(f"NIGHTSCHOOL_{section.upper()}", "abc")
    with pytest.raises(InvalidSettings, match=f"environment NIGHTSCHOOL_{section.upper()}: {wanted}"):
        load_settings()


@pytest.mark.parametrize("value", ["['sk-secret']", "{ key = 'sk-secret' }", "'sk-secret\u00e9'", "'sk-secret two'"])
def test_a_secret_is_not_told_by_its_own_fault(value: str, tmp_path: Path) -> None:
    assert "engine.api_key: " in told_of(f"[engine]\napi_key = {value}\n", tmp_path)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://shop:sk-secret@gpu-1:8000", "user name and no password; put the engine's key into engine.api_key"),
        ("http://sk-secret@gpu-1:8000", "no user name"),
        ("shop:sk-secret@gpu-1:8000", "must be a URL"),
        ("gpu-1:8000", "must be a URL such as http://gpu-1:8000"),
        ("ftp://gpu-1", "must be a URL"),
        ("http://", "must be a URL"),
        ("http://gpu-1:99999", "must be a URL"),
        ("http://gpu 1", "must be a URL"),
        ("http://gpu-1:8000/v1", "without /v1"),
        ("http://gpu-1:8000/?key=sk-secret", "without /v1"),
    ],
)
def test_an_engine_s_address_is_checked_and_keeps_its_password(url: str, words: str, tmp_path: Path) -> None:
    assert words in told_of(f"[engine]\nurl = '{url}'\n", tmp_path)


@pytest.mark.parametrize("url", ["http://gpu-1:8000", "https://[::1]:8000/", "http://gpu-1/prefix"])
def test_an_engine_s_address_stays_as_it_was_given(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_ENGINE__URL", url)
    assert load_settings().settings.engine.url == url


def test_a_choice_of_numbers_and_a_switch_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_ENGINE__MAX_LORA_RANK", "32")
    monkeypatch.setenv("NIGHTSCHOOL_ENGINE__MERGED_SLOTS", "false")
    monkeypatch.setenv("NIGHTSCHOOL_HOME", "~/school")
    settings = load_settings().settings
    assert (settings.engine.max_lora_rank, settings.engine.merged_slots) == (32, False)
    assert settings.home == Path.home() / "school"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("[sever]\nport = 1", "sever: unknown key; did you mean server?"),
        ("port = 8000", "port: unknown key; did you mean server.port?"),
        ("[engine]\nthread = 2", "engine.thread: unknown key; did you mean store.threads?"),
        ("[engine]\nzzz = 2", "engine.zzz: unknown key; remove it"),
        ("[engine]\nlevel = 2", "engine.level: unknown key; remove it"),
    ],
)
def test_an_unknown_key_is_told_with_its_neighbour(text: str, advice: str, tmp_path: Path) -> None:
    assert advice in told_of(text, tmp_path)


@pytest.mark.parametrize("name", ["NIGHTSCHOOL_SERVER__PORT__X", "NIGHTSCHOOL_", "NIGHTSCHOOL_NIGHT__KEEP_DAY"])
def test_an_unknown_variable_is_never_passed_over(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nightschool.toml").write_text("[server]\nport = 1\n")
    monkeypatch.setenv(name, "1")
    with pytest.raises(InvalidSettings, match=f"environment {name}: .*unknown key"):
        load_settings()


def test_a_folder_is_no_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nightschool.toml").mkdir()
    with pytest.raises(InvalidSettings, match=r"nightschool.toml: cannot be read \(Is a directory\)"):
        load_settings()
    monkeypatch.setenv("NIGHTSCHOOL_CONFIG", str(tmp_path))
    with pytest.raises(InvalidSettings, match="Is a directory"):
        load_settings()
    monkeypatch.setenv("NIGHTSCHOOL_CONFIG", "")
    with pytest.raises(InvalidSettings, match="NIGHTSCHOOL_CONFIG: is empty"):
        load_settings()


def test_what_no_parser_takes_is_told(tmp_path: Path) -> None:
    for text in ("x = " + "9" * 5000, "x = " + "[" * 5000):
        (tmp_path / "nightschool.toml").write_text(text)
        with pytest.raises(InvalidSettings, match="is not TOML"):
            load_settings()
