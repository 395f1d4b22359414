"""What the pages name is there: settings and keys of a bot's file, endpoints, figures for Prometheus, other pages."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightschool.bots import Bot
from nightschool.faults import dotted_keys
from nightschool.home import Home
from nightschool.records import BotName
from nightschool.settings import NOT_SETTINGS, PREFIX, SHORT_PORT, Settings

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
ROOMS = ("nightschool", "collect", "tune", "eval", "deploy", "serve")
CONTAINERS = tuple(sorted((ROOT / "deploy" / "docker").iterdir()))
KEYS = frozenset([*dotted_keys(Settings), *dotted_keys(Bot)])
SECTIONS = sorted({key.partition(".")[0] for key in KEYS if "." in key})
KEY = re.compile(rf"(?<![\w./`-])`?((?:{'|'.join(SECTIONS)})\.[a-z][a-z0-9_]*)(?![\w.(/-]|\.[a-z])")
FILES = re.compile(r"\.(?:json|lock|log|md|parquet|sock|toml)$")
NO_KEYS = frozenset({"feedback.address", "feedback.rowid", "fine_tuning.job"})
"""Columns of the record, and a word of OpenAI's."""
VARIABLE = re.compile(rf"{PREFIX}[A-Z_]+[A-Z]")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def texts() -> Iterator[tuple[str, str]]:
    """The pages, and every text that our modules hold."""
    yield from ((page.name, page.read_text(encoding="utf-8")) for page in (*PAGES, *CONTAINERS))
    for file in sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield file.relative_to(ROOT).as_posix(), node.value


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def test_every_key_that_is_named_is_one() -> None:
    named = {(place, key) for place, text in texts() for key in KEY.findall(text) if not FILES.search(key)}
    assert sorted((place, key) for place, key in named if key not in KEYS | NO_KEYS) == []
    assert len({key for _, key in named}) > 100


def test_every_variable_that_is_named_is_one() -> None:
    known = {PREFIX + key.upper().replace(".", "__") for key in dotted_keys(Settings)} | NOT_SETTINGS | {SHORT_PORT}
    named = {(place, name) for place, text in texts() for name in VARIABLE.findall(text)}
    assert sorted((place, name) for place, name in named if name not in known) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if not target.startswith("http"):
            file = (page.parent / target).resolve() if target else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def test_one_python_is_meant_everywhere() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert wanted == ">=3.11,<3.12"
    for name, said in (
        ("README.md", "Needs Linux, Python 3.11, "),
        ("scripts/bootstrap", "sys.version_info[:2] != (3, 11)"),
        ("scripts/lock", "--python-version 3.11 "),
        ("deploy/docker/Dockerfile", "FROM python:3.11-"),
        ("serve/cli/doctor.py", "sys.version_info[:2] == (3, 11)"),
    ):
        assert said in (ROOT / name).read_text(encoding="utf-8"), name


def test_no_key_and_nothing_that_people_said_is_built_into_an_image() -> None:
    home, bot = Home(Path("/data")), BotName("support")
    kept = [
        home.adapters(bot).parent, home.backups, home.cycle(bot, "c").parents[1], home.datasets(bot).parent,
        home.erasures, home.evals, home.exam(bot).parent, home.found(bot).parent, home.golden(bot).parent, home.jobs,
        home.kept, home.logs, home.base_model.parent, home.proofs(bot).parent, home.replaced, home.reports(bot).parent,
        home.temp, home.uploads,
    ]  # fmt: skip
    files = ["nightschool.toml", "**/record.duckdb*", "**/secrets.json", "**/operator.key", "**/server.*"]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {*files, *(f"**/{folder.name}/" for folder in kept)} - set(ignored) == set()
    shipped = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    folders = {folder.name for folder in kept}
    assert [file for file in shipped if folders & set(Path(file).parts[:-1])] == []


def test_a_container_is_what_the_settings_say() -> None:
    dockerfile, compose = ((ROOT / "deploy" / "docker" / name).read_text() for name in ("Dockerfile", "compose.yaml"))
    port = Settings().server.port
    assert f"EXPOSE {port}\n" in dockerfile
    assert f"http://127.0.0.1:{port}/readyz" in dockerfile
    assert f'"127.0.0.1:{port}:{port}"' in compose
    [home] = re.findall(rf"{PREFIX}HOME=(\S+)", dockerfile)
    assert f"VOLUME {home}\n" in dockerfile
    assert f"nightschool-data:{home}\n" in compose
    [started] = re.findall(r"^CMD \[(.+)\]$", dockerfile, re.MULTILINE)
    assert started.split(", ")[1:] == ['"-m"', '"serve.cli"', '"up"']
    named = re.findall(r"dockerfile: (\S+)", compose)
    assert [(ROOT / name).exists() for name in named] == [True]
