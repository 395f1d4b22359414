import pytest

from serve.console.handlers import ConsoleHandlers
from serve.parts import Parts


@pytest.fixture
def handlers(parts: Parts) -> ConsoleHandlers:
    return ConsoleHandlers(
        store=parts.store,
        rollout=parts.rollout,
        nights=parts.nights,
        shelf=parts.shelf,
        home=parts.home,
        golden=parts.golden,
        masking=parts.masking,
    )
