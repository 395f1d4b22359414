"""A little server that stands for a larger model behind an OpenAI-compatible endpoint, over real HTTP."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], str]


def completion(text: Any, *, finish: str = "stop") -> Reply:
    body = {"id": "x", "choices": [{"index": 0, "finish_reason": finish, "message": {"content": text}}]}
    return 200, {}, json.dumps(body)


class Endpoint:
    """A little server that answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.replies: Callable[[int], Reply] = lambda number: completion(f"It takes {number + 2} days.")
        self.served: list[dict[str, str]] = [{"id": "big-one"}]
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                number = len(endpoint.asked)
                endpoint.asked.append({"path": self.path, "key": self.headers["Authorization"], "body": body})
                status, headers, text = endpoint.replies(number)
                raw = text.encode(errors="surrogatepass")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def do_GET(self) -> None:
                raw = json.dumps({"object": "list", "data": endpoint.served}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
