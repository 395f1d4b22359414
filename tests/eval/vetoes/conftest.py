from collections.abc import Callable

import pytest

from eval.vetoes.scene import Scene
from nightschool.wording import plain

SceneMaker = Callable[..., Scene]


@pytest.fixture
def scene() -> SceneMaker:
    def make(
        reference: str, *, question: str = "Can I send it back?", system_prompt: str = "You are Fern. Be kind."
    ) -> Scene:
        return Scene("r0", "c0", plain(question), plain(question), plain(system_prompt), plain(reference))

    return make
