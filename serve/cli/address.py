"""Where the server listens: whether it can, and by what URL it is reached from this machine."""

import socket
from typing import Final

ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


def listening_fault(host: str, port: int) -> str | None:
    """What keeps us from listening there, in the system's words; None where nothing does."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, number) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    except UnicodeError:
        return "no name of a host"
    return None


def own_url(host: str, port: int) -> str:
    return f"http://{ANYWHERE.get(host, f'[{host}]' if ':' in host else host)}:{port}"
