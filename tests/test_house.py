"""The house keeps its own rules: sizes, borders, and a README that names what is there."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stages import moves_as_mermaid

ROOT = Path(__file__).parents[1]
ROOMS = ("nightschool", "collect", "tune", "eval", "deploy", "serve")
SOURCES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
MAX_LINES = 300
MAX_FUNCTION_LINES = 60


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for file in SOURCES:
        yield file, ast.parse(file.read_text())


def test_a_file_is_one_idea() -> None:
    assert [name_of(file) for file in SOURCES if file.read_text().count("\n") > MAX_LINES] == []


def test_a_function_fits_on_a_screen() -> None:
    long = [
        f"{name_of(file)}:{node.name}"
        for file, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert long == []


def test_every_module_says_what_it_is_for() -> None:
    assert [name_of(file) for file, tree in trees() if file.name != "__init__.py" and not ast.get_docstring(tree)] == []


def test_packages_are_empty() -> None:
    assert [name_of(file) for file in SOURCES if file.name == "__init__.py" and file.read_text().strip()] == []


def test_an_underscore_means_this_file_only() -> None:
    taken = [
        f"{name_of(file)}: {alias.name}"
        for file, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ROOMS
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert taken == []


def test_only_the_roof_prints() -> None:
    printing = [
        name_of(file)
        for file, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    # Their last word is for whoever started the process by hand.
    mains = {"tune/train.py", "tune/base_model.py", "eval/verdict.py"}
    assert {name for name in printing if not name.startswith("serve/")} <= mains


def test_text_is_utf_8_whatever_the_machine_speaks() -> None:
    left_open = [
        f"{name_of(file)}:{node.lineno}"
        for file, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and len(node.args) == {"read_text": 0, "write_text": 1}.get(node.func.attr)
        and "encoding" not in {keyword.arg for keyword in node.keywords}
    ]
    assert left_open == []


def test_a_file_of_another_version_is_never_taken_for_one_of_this() -> None:
    kept = [
        (name_of(file), ast.unparse(node.annotation))
        for file, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "schema_version"
    ]
    assert len(kept) > 10
    assert [place for place, annotation in kept if not re.fullmatch(r"Literal\[\d+\]", annotation)] == []


def test_only_the_record_opens_the_store() -> None:
    opening = {
        name_of(file)
        for file, tree in trees()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and any(alias.name == "duckdb" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "duckdb")
    }
    assert all(name.startswith("collect/") for name in opening), opening


def test_the_gateway_starts_without_the_heavy_libraries() -> None:
    script = (
        "import sys, serve.app\n"
        "print(*sorted({'torch', 'transformers', 'trl', 'peft', 'vllm', 'datasets', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [ROOT / ".venv/bin/python", "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == ""


def test_the_readme_names_every_file_of_the_house() -> None:
    readme = (ROOT / "README.md").read_text()
    missing = [name_of(f) for f in SOURCES if f.name != "__init__.py" and f"`{name_of(f)}`" not in readme]
    assert missing == []


def test_the_readme_names_no_file_that_is_gone() -> None:
    named = re.findall(rf"`((?:{'|'.join(ROOMS)})/[\w/]+\.py)`", (ROOT / "README.md").read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_diagram_of_stages_is_the_table_of_moves() -> None:
    assert moves_as_mermaid() in (ROOT / "docs" / "nights.md").read_text()


@pytest.mark.parametrize("lock", ["cpu", "gpu", "dev"])
def test_locks_are_plain_pins(lock: str) -> None:
    lines = (ROOT / "requirements" / f"{lock}.lock").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9._-]+==[\w.+!-]+", line)] == []


def test_nothing_names_a_registry_or_a_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    hosts = re.compile(r"https?://[\w.-]*(?:pypi|pythonhosted|npmjs|debian)[\w.-]*")
    paths = re.compile(r"(?<![\w.])/(?:root|work|home/\w+)/\w+")
    found = []
    for name in tracked:
        file = ROOT / name
        if file.suffix in {".png", ".jsonl"} or not file.is_file():
            continue
        text = file.read_text(errors="replace")  # a PDF is searched too
        found += [f"{name}: {match}" for match in [*hosts.findall(text), *paths.findall(text)]]
    assert found == []
