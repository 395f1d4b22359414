"""The process that looks for personal data for a server: a question a line on stdin, what was found a line on stdout.

A question is `{"names": bool, "texts": [...]}`; the reply is for each text a list of `[start, end, kind]`. It ends with
its stdin. Keeps nothing, and says nothing of a text but where something stands. Run by `nightschool.pii.reader`.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator

from nightschool.pii.finder import Finder
from nightschool.pii.names import NameFinder


def reply(lines: Iterable[bytes]) -> Iterator[str]:
    """A line for each line; the model is loaded by the first that asks for names."""
    finders: dict[bool, Finder] = {}
    for line in lines:
        asked = json.loads(line)
        names = bool(asked["names"])
        if names not in finders:
            finders[names] = Finder(NameFinder() if names else None)
        yield json.dumps([[[*span] for span in spans] for spans in finders[names].find(asked["texts"])])


def main() -> None:
    # Libraries print as they like; what is read as a reply is ours alone.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as replies:
        os.dup2(2, 1)
        for line in reply(sys.stdin.buffer):
            replies.write(f"{line}\n")
            replies.flush()


if __name__ == "__main__":
    main()
