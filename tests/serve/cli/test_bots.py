import json
from pathlib import Path

import pytest

from serve.cli.main import main


def test_a_bot_is_made_without_a_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_BOTS", str(tmp_path / "bots"))
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "a.md").write_text("# Plans\n\nGrove costs 4 euro.\n")
    for code in (0, 5):
        with pytest.raises(SystemExit) as ended:
            main(["bots", "new", "--name", "our-docs", "--docs", str(tmp_path / "pages"), "--json"])
        told = capsys.readouterr()
        assert (ended.value.code or 0) == code
        if not code:
            assert json.loads(told.out)["documents"] == 1
            assert "Our docs answers from 1" in told.err
