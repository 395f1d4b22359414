"""`nightschool knowledge verified`: the same as over HTTP, in words."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Nightschool = Callable[..., Awaitable[Any]]
CHAT = [{"role": "user", "content": "Do you ship to Malta?"}, {"role": "assistant", "content": "Yes, in 9 days."}]


async def test_a_question_that_was_brought_is_listed_and_switched(nightschool: Nightschool, tmp_path: Path) -> None:
    nothing = await nightschool("knowledge", "verified")
    assert (nothing.code, "Would have answered none of last week's 0 questions" in nothing.out) == (0, True)
    file = tmp_path / "faq.jsonl"
    file.write_text(json.dumps({"messages": CHAT}))
    assert (await nightschool("import", str(file), "--bot", "support", "--faq")).code == 0
    [row] = (await nightschool("knowledge", "verified", "--json")).json["answers"]
    assert (row["question"], row["by"], row["is_on"]) == ("Do you ship to Malta?", "import", True)
    refused = await nightschool("knowledge", "verified", "--off", row["message_id"])
    assert (refused.code, "Say why" in refused.err) == (2, True)
    off = await nightschool("knowledge", "verified", "--off", row["message_id"], "--reason", "too slow")
    assert (off.code, off.out) == (0, f"{row['message_id']} is out of service\n")
    assert "off: too slow" in (await nightschool("knowledge", "verified")).out
    both = await nightschool("knowledge", "verified", "--off", "a", "--on", "b", "--reason", "why not")
    assert both.code == 2
    assert (await nightschool("knowledge", "verified", "--on", "nobody", "--reason", "why not")).code == 3
