"""Settings: where each value comes from, and every fault at once."""

from pathlib import Path

import pytest

from nightschool.errors import InvalidSettings
from nightschool.settings import effective_settings, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

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
    with pytest.raises(InvalidSettings, match=r"missing.toml: does not exist"):
        load_settings()
