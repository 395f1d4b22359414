"""The speed of a search is measured on an index that is there."""

from pathlib import Path

from bench.common.search_speed import measure_speed
from nightschool.embedding import load_embedder


def test_a_small_index_is_measured(tmp_path: Path) -> None:
    speed = measure_speed(tmp_path, passages=50, embed=load_embedder().embed)
    assert 0 < speed.search_ms < 1_000
    assert speed.index_s > 0
    assert 0 < speed.size_mb < 10
