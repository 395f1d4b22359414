"""Whatever a caller sends to chat completions, the fault is told as the caller's and never as the server's."""

import json
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightschool.settings import EngineSettings, ServerSettings
from serve.api.parameters import IGNORED, INERT, ChatBody
from serve.parts import Parts

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


@pytest.mark.parametrize("depth", [42, 100, 150, 190])
async def test_a_schema_that_is_too_deep_is_the_callers_fault(client: httpx.AsyncClient, depth: int) -> None:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"not": schema}
    form = {"type": "json_schema", "json_schema": {"name": "deep", "schema": schema}}
    asked = {"model": "support", "messages": [{"role": "user", "content": "hello"}], "response_format": form}
    check = {"type": "string_check", "name": "a", "input": "a", "reference": "a", "operation": "eq"}
    made = {"data_source_config": {"type": "custom", "item_schema": schema}, "testing_criteria": [check]}
    for path, body in ((PATH, asked), ("/v1/evals", made)):
        reply = await client.post(path, json=body)
        assert (reply.status_code, reply.json()["error"]["type"]) == (400, "invalid_request_error"), path


CALLS: Final = st.lists(st.fixed_dictionaries({"id": st.just("c1") | ODD, "function": VALUES}), max_size=2) | VALUES
FUNCTIONS: Final = st.fixed_dictionaries(
    {"name": st.just("find") | ODD}, optional={"parameters": VALUES, "strict": ODD}
)
TOOLS: Final = st.lists(st.fixed_dictionaries({"type": st.just("function"), "function": FUNCTIONS}), max_size=2)
TOOL_BODIES: Final = st.fixed_dictionaries(
    {
        "model": st.just("support"),
        "messages": st.lists(
            st.fixed_dictionaries(
                {"role": st.sampled_from(["user", "assistant", "tool"]), "content": st.just("find") | VALUES},
                optional={"tool_calls": CALLS, "tool_call_id": st.just("c1") | ODD},
            ),
            max_size=3,
        ),
    },
    optional={
        "tools": TOOLS | VALUES,
        "tool_choice": st.sampled_from(["auto", "required"]) | VALUES,
        "parallel_tool_calls": ODD, "store": st.just(True) | ODD, "metadata": VALUES,
    },
)  # fmt: skip
NAMES: Final = ("limit", "after", "order", "model", "metadata[a]", "metadata[", "metadata[]")
QUERIES: Final = st.dictionaries(
    st.sampled_from(NAMES), st.text(max_size=8) | st.sampled_from(["1", "desc"]), max_size=3
)


@pytest.mark.parametrize("server_settings", [ServerSettings(requests_per_minute=1_000_000)])
async def test_no_malformed_tools_nor_lists_are_a_fault_of_the_server(parts: Parts, app_of: Any, user_key: str) -> None:
    sent: list[tuple[str, str, Any, Any]] = []
    names = st.text(max_size=8).map(quote) | st.sampled_from(["x", "%00", "a/messages", "\u2028"])

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(TOOL_BODIES, QUERIES, names, VALUES)
    def collect(body: Any, query: Any, name: str, metadata: Any) -> None:
        sent.append(("POST", PATH, body, None))
        sent.append(("GET", PATH, None, query))
        sent.append(("GET", f"{PATH}/{name}/messages", None, query))
        sent.append(("POST", f"{PATH}/{name}", {"metadata": metadata}, None))
        sent.append(("DELETE", f"{PATH}/{name}", None, None))

    collect()
    engine = EngineSettings(kind="echo", tool_parser="hermes")
    served = app_of(replace(parts, settings=parts.settings.model_copy(update={"engine": engine})))
    transport = httpx.ASGITransport(served, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {user_key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as client:
        for method, path, body, query in sent:
            content = None if body is None else json.dumps(body).encode()
            reply = await client.request(method, path, content=content, params=query)
            assert reply.status_code < 500, (method, path, body, query, reply.text)
