import asyncio

from nightschool.tasks import TasksByName


async def test_a_name_is_stopped_and_free_again() -> None:
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(name)

    async with asyncio.TaskGroup() as group:
        tasks = TasksByName(group)
        for name in ("a", "b", "c"):
            tasks.start(name, work(name))
        await asyncio.sleep(0)
        await tasks.stop("b")
        await tasks.stop("nobody")
        assert ended == ["b"]
        assert tasks.names == {"a", "c"}
        tasks.start("b", work("b"))
        assert tasks.names == {"a", "b", "c"}
        await asyncio.sleep(0)
        await tasks.stop_all()
        assert sorted(ended) == ["a", "b", "b", "c"]
    assert tasks.names == frozenset()
