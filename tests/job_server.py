"""A server with the echo engine and the real trainer, in a process that a test may kill.

Run: python -m tests.job_server HOME BOTS BASE_MODEL PORT
"""

import asyncio
import sys
from pathlib import Path

import uvicorn

from nightschool.prompt import Template
from nightschool.settings import EngineSettings, NightSettings, Settings, StoreSettings
from serve.app import build_app, open_parts
from serve.cli.up import configure
from serve.secrets import open_secrets


async def main(home: Path, bots: Path, base_model: str, port: int) -> None:
    settings = Settings(
        home=home,
        bots=bots,
        engine=EngineSettings(kind="echo", max_model_len=256),
        store=StoreSettings(memory_gib=0.5, threads=1),
        night=NightSettings(min_free_gib=0),
    )
    settings = settings.model_copy(update={"server": settings.server.model_copy(update={"port": port})})
    secrets = open_secrets(settings.paths).secrets
    async with open_parts(settings, base_model=base_model, template=Template(), secrets=secrets) as parts:
        await uvicorn.Server(configure(build_app(parts), settings)).serve()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
