"""Stands in for vLLM's server where a test is about who is started: a process that listens and names its model.

It does not start on weights that read "broken". Each token of a model that answers alone is e times less likely than
under any other. `install` puts it where `python -m vllm.entrypoints.openai.api_server` finds it.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any


def install(folder: Path) -> None:
    """To be named in PYTHONPATH."""
    package = folder / "vllm/entrypoints/openai"
    package.mkdir(parents=True)
    for each in (package, *list(package.parents)[:2]):
        (each / "__init__.py").touch()
    shutil.copyfile(__file__, package / "api_server.py")


def serve(model: Path, socket: str) -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response, StreamingResponse
    from starlette.routing import Route

    logprob = -2.0 if (model / "alone").exists() else -1.0

    async def complete(request: Request) -> Response:
        prompt = (await request.json())["prompt"]
        scores = [None, *({str(token): {"logprob": logprob}} for token in prompt[1:])]
        usage = {"prompt_tokens": len(prompt), "completion_tokens": 1}
        return JSONResponse({"usage": usage, "choices": [{"prompt_logprobs": scores}]})

    async def chat(_request: Request) -> Response:
        def events() -> Iterator[str]:
            for delta, finish in (({"content": f"[{model.name}]"}, None), ({}, "stop")):
                yield _event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
            yield _event({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
            yield "data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    async def models(_request: Request) -> Response:
        return JSONResponse({"data": [{"id": "base"}]})

    async def tokenize(_request: Request) -> Response:
        return JSONResponse({"tokens": [1, 2, 3]})

    async def version(_request: Request) -> Response:
        return JSONResponse({"version": "fake"})

    posts = {"/v1/completions": complete, "/v1/chat/completions": chat, "/tokenize": tokenize}
    gets = {"/v1/models": models, "/version": version}
    routes = [Route(path, answer, methods=["POST"]) for path, answer in posts.items()]
    routes += [Route(path, answer) for path, answer in gets.items()]
    uvicorn.run(Starlette(routes=routes), uds=socket, log_level="warning")


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


def main(arguments: list[str]) -> None:
    given = dict(pairwise(arguments))
    model = Path(given["--model"])
    if (model / "model.safetensors").read_bytes() == b"broken":
        sys.exit("no weights")
    serve(model, given["--uds"])


if __name__ == "__main__":
    main(sys.argv[1:])
