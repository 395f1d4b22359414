"""Whatever a caller sends to chat completions, the fault is told as the caller's and never as the server's."""

import json
from typing import Any, Final

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightschool.settings import ServerSettings
from serve.api.parameters import IGNORED, INERT, ChatBody

PATH = "/v1/chat/completions"
ODD: Final = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8),
    st.sampled_from(["\ud800", "\x00", "auto", "x" * 5_000, {"type": "json_object"}, {"type": "json_schema"}]),
)  # fmt: skip
VALUES: Final = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
PARAMETERS: Final = sorted({*ChatBody.model_fields, *IGNORED, *INERT, "lora_path"})
PARTS: Final = st.lists(st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url"]), "text": VALUES}))
TURNS: Final = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool"]) | ODD, "content": VALUES | PARTS},
        optional={"tool_calls": VALUES, "refusal": VALUES, "name": VALUES},
    ),
    max_size=3,
)
BODIES: Final = st.builds(
    lambda messages, changes: {"model": "support", "messages": messages} | changes,
    st.just([{"role": "user", "content": "hello"}]) | TURNS | VALUES,
    st.dictionaries(st.sampled_from(PARAMETERS), VALUES, max_size=3),
)


@pytest.mark.parametrize("server_settings", [ServerSettings(requests_per_minute=1_000_000, lenient=True)])
async def test_no_malformed_body_is_a_fault_of_the_server(client: httpx.AsyncClient) -> None:
    bodies: list[Any] = []

    @settings(max_examples=200, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(BODIES)
    def collect(body: Any) -> None:
        bodies.append(body)

    collect()
    for raw in [*(json.dumps(body).encode() for body in bodies), b"", b"{", b"[]", b"null", b"\xff", b"[" * 9_000]:
        reply = await client.post(PATH, content=raw)
        assert reply.status_code < 500, raw
        if reply.status_code >= 400:
            assert set(reply.json()["error"]) == {"message", "type", "param", "code"}, raw
