"""What is unpacked of a tar that somebody sent: the wanted files of its top, and nothing anywhere else."""

import io
import tarfile
from pathlib import Path

import httpx
import pytest

from nightschool.errors import InvalidInput
from nightschool.settings import EngineSettings
from serve.adding import Adding, unpack
from serve.parts import Parts

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def tar_of(*entries: tuple[str, bytes] | tarfile.TarInfo) -> io.BytesIO:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            tar.addfile(info, io.BytesIO(entry[1]))
    made.seek(0)
    return made


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_a_folder_as_tar_packs_it_is_taken(tmp_path: Path) -> None:
    sent = tar_of(
        (f"./{CONFIG}", b"{}"), (f"./{WEIGHTS}", b"w"), ("./checkpoint-3/optimizer.pt", b"o"), ("./a.txt", b"")
    )
    unpack(sent, tmp_path / "folder", subject="mine")
    assert {path.name for path in (tmp_path / "folder").iterdir()} == {CONFIG, WEIGHTS}


@pytest.mark.parametrize(
    "entries",
    [
        [(f"../{CONFIG}", b"{}"), (f"../{WEIGHTS}", b"w")],
        [(f"/tmp/{CONFIG}", b"{}"), (f"/tmp/{WEIGHTS}", b"w")],
        [link(CONFIG, "/etc/passwd"), link(WEIGHTS, "/etc/passwd")],
        [(f"deep/{CONFIG}", b"{}"), (f"deep/{WEIGHTS}", b"w")],
        [("\udce4.safetensors", b""), ("ä" * 300, b"")],
    ],
)
def test_what_points_elsewhere_is_not_there(entries: list[tuple[str, bytes] | tarfile.TarInfo], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds neither"):
        unpack(tar_of(*entries), tmp_path / "folder", subject="mine")
    assert list(tmp_path.rglob("*")) == [tmp_path / "folder"]


def test_what_is_no_whole_tar_is_refused(tmp_path: Path) -> None:
    whole = tar_of((CONFIG, b"{}"), (WEIGHTS, b"w" * 5_000)).getvalue()
    for number, cut in enumerate((b"", b"PK\x03\x04" * 200, whole[:700], whole[:2_000], whole[:-9_000])):
        with pytest.raises(InvalidInput, match=r"is no whole tar|lacks|holds neither"):
            unpack(io.BytesIO(cut), tmp_path / str(number), subject="mine")


@pytest.mark.parametrize(
    "wanted", [EngineSettings(url="http://gpu-1:8000"), EngineSettings(whole_models=0)], ids=["remote", "no places"]
)
async def test_where_no_engine_can_be_started_a_whole_model_is_refused_before_it_is_read(
    parts: Parts, wanted: EngineSettings
) -> None:
    adding = Adding(parts.store, parts.rollout, parts.home, wanted, base_model="none", command=("false",))
    bot = parts.shelf.find("support")
    with pytest.raises(InvalidInput, match=r"cannot be served whole.*Add it as the nearest adapter"):
        await adding.add(tar_of(), name="mine", bot=bot, actor="ada", reason="why", serve_as="whole")
    if wanted.url:
        with pytest.raises(InvalidInput, match=r"cannot be served alone: the engine is not the server's own. Add it"):
            await adding.add(tar_of(), name="mine", bot=bot, actor="ada", reason="why", serve_as="alone")


async def test_a_pickle_in_a_tar_is_refused_by_name(operator: httpx.AsyncClient) -> None:
    body = tar_of((CONFIG, b"{}"), ("adapter_model.bin", b"p")).getvalue()
    sent = await operator.post("/ops/adapters", params={"bot": "support", "name": "mine\x07"}, content=body)
    assert (sent.status_code, "mine: holds adapter_model.bin" in sent.json()["error"]["message"]) == (400, True)
    assert (await operator.post("/ops/adapters", params={"bot": "support"}, content=body)).status_code == 400
