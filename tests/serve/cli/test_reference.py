"""docs/cli.md is the real `--help` of every verb. `python tests/serve/cli/test_reference.py` writes it anew."""

import io
import os
from contextlib import redirect_stdout, suppress
from pathlib import Path
from unittest.mock import patch

from serve.cli.main import main

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "cli.md"
GROUPS = {
    "adapters": ("", "add"),
    "audit": ("list", "verify"),
    "bots": ("new",),
    "escalations": ("list", "done"),
    "evals": ("list", "show"),
    "files": ("check",),
    "golden": ("list", "add", "remove", "check"),
    "dataset": ("build", "show", "diff"),
    "knowledge": ("status", "show", "check", "verified"),
    "operators": ("add", "list", "remove"),
    "keys": ("create", "list", "revoke"),
}
HEAD = """# The command line

`nightschool VERB` (`.venv/bin/nightschool`, or `python -m serve.cli`). Verbs that need a server speak to the one that
runs on the data folder in effect; where none runs, one line says so and the exit code is 6. Data goes to stdout (with
`--json` for programs, as tab-separated lines into a pipe), talk and progress go to stderr.

| exit code | meaning |
|---|---|
| 0 | done; a night's verdict may be `promote`, `hold`, `reject` or `insufficient-data` |
| 1 | failed: training, evaluation, a check of `doctor`, or a fault of ours |
| 2 | wrong call, settings or input; every line of an import was bad; a move of stages that is not allowed |
| 3 | not found: bot, version, cycle, key |
| 4 | the key is unknown, revoked, or may not do this; the data folder is another user's |
| 5 | busy: a cycle of the bot runs already, the version is live already, the name is taken |
| 6 | no server runs, or its engine does not answer |
| 7 | `eval`: the verdict is `reject` |
| 8 | `eval`: the verdict is `insufficient-data` |
| 130 | Ctrl-C |

What `--json` prints:

| verb | shape |
|---|---|
| `bots new` | `{"file", "documents", "starters"}` |
| `backup` | `{"folder", "taken_at", "messages", "size_bytes", "content_hash"}` |
| `restore` | `{"taken_at", "messages", "aside", "erased_again": [...]}` |
| `check` | `{"tables": {"messages": 12, ...}, "faults": [...]}` |
| `import` | `{"imported", "skipped", "moved", "votes", "corrections", "scores", "formats", "bad_lines": [...]}` |
| `night` | `{"cycle", "candidate", "verdict": "promote"\\|"hold"\\|"reject"\\|"insufficient-data", ...` |
| `night --dry-run` | `{"bot", "would_train", "reason", "train_rows", "new_rows", "held_out_rows", ...}` |
| `prove` | `{"bot", "live", "hash", "is_proved", "to_adapter", "to_base"}` |
| `dataset build` | what `night --dry-run` prints, and what `dataset show` does |
| `dataset show` | `{"hash", "folder", "built_at", "rows", "about", "card", "samples": [...]}` |
| `dataset diff` | `{"before", "after", "counts", "rows", "about", "added": [...], "removed": [...]}` |
| `report`, `eval` | `{"candidate", "against", "suite", "verdict", "reasons", "figures", "html", "findings", ...}` |
| `adapters` | `[{"bot", "version", "stage", "hash", "folder", "has_passing_verdict", "cycle", "dataset", ...}]` |
| `adapters add` | `{"bot", "candidate", "stage", "hash", "kind": "adapter"\\|"model", "rank", "share", "said"}` |
| `promote` | `{"bot", "live", "stage"}` |
| `rollback` | `{"bot", "live"}` |
| `erase` | `{"erasure", "conversations", "messages", "is_whole", "certificate"}` |
| `trace` | `{"subject", "kind", "answer", "version", "trained", "datasets": [{"content_hash", "rows", ...}]}` |
| `trace --at` | `{"bot", "at", "name", "content_hash", "since", "by", "reason"}` |
| `hold`, `release` | `{"bot", "is_held"}` |
| `escalations list` | `[{"escalation", "bot", "conversation", "contact", "taken_by", "sent_at", "done_at", ...}]` |
| `escalations done` | one of these |
| `evals list` | `[{"eval", "owner", "name", "graders", "runs": [{"run", "status", "rows", "passed", ...}], ...}]` |
| `evals show` | one of these |
| `files check` | `{"format", "rows", "tokens", "trained_tokens"}`; of evals the first two |
| `jobs` | `[{"place", "kind": "night"\\|"job", "name", "owner", "state", "waits_for", "starts_at"}]` |
| `adopt` | `{"bot", "candidate", "stage", "model"}` |
| `golden list` | `[{"file", "is_ours", "case": {"id", "ask", ...}}]` |
| `golden add`, `golden remove` | `{"bot", "case"}`, `{"bot", "id", "is_removed"}` |
| `knowledge status` | `{"bot", "folder", "index_hash", "passages", "answers", "documents": [...], "faults": [...]}` |
| `knowledge show` | `{"bot", "index_hash", "passages": [{"score", "is_served", "passage_id", "document", ...}]}` |
| `knowledge check` | `{"bot", "questions", "unanswered": [{"question", "times", "is_held_out"}]}` |
| `knowledge verified` | `{"bot", "sentence", "threshold", "asked", "would_answer", "answers": [...], ...}` |
| `keys create` | `{"name", "key"}` |
| `keys list` | `[{"name", "scope", "created_at", "revoked_at", "is_lenient"}]` |
| `status` | `{"version", "engine", "bots": [{"bot", "live", "next_night", "held", "running", ...}]}` |
| `quarantine` | `[{"bot", "message_id", "voter", "state", "reason", "vote", ...}]`, `{"bot", "released"}` |
| `waiting` | `[{"message_id", "bot", "question", "answer", "proposal", "persons", "first_at", ...}]` |
| `gaps` | `[{"bot", "question", "times", "last_at", "message_id", "answer", "coverage", ...}]` |
| `scores` | `[{"bot", "name", "of": "answer"\\|"conversation", "kind", "answered_by", "count", "mean", ...}]` |
| `audit verify` | `{"lines", "before", "head", "faults": [{"number", "problem"}]}` |
| `events`, `audit list` | `[{"at", "bot", "actor", "action", "subject", "reason"}]` |
| `operators add`, `operators list` | `{"name", "password"}`, `[{"name"}]` |
| `settings` | `[{"key", "value", "origin", "help"}]` |
| `doctor` | `[{"mark": "ok"\\|"warn"\\|"fail", "what", "found", "remedy"}]` |
| `demo` | the night's object, and `"answers": [{"question", "base", "tuned", "tuned_version", "reference"}]` |
"""


def help_of(*verb: str) -> str:
    """As a terminal of 100 columns shows it."""
    said = io.StringIO()
    with redirect_stdout(said), patch.dict(os.environ, COLUMNS="100"), suppress(SystemExit):
        main([*verb, "--help"])
    return said.getvalue().rstrip()


def verbs(top: str) -> list[tuple[str, ...]]:
    """Every verb that the top's help names, in its order."""
    listed = [line.split()[0] for line in top.partition("Commands:\n")[2].splitlines() if line[2:3].strip()]
    return [
        path
        for name in listed
        for path in ([(name, *sub.split()) for sub in GROUPS[name]] if name in GROUPS else [(name,)])
    ]


def render() -> str:
    top = help_of()
    sections = [("nightschool", top), *((f"nightschool {' '.join(path)}", help_of(*path)) for path in verbs(top))]
    return HEAD + "".join(f"\n## {title}\n```\n{text}\n```\n" for title, text in sections)


def test_the_page_is_the_real_help() -> None:
    assert PAGE.read_text() == render()


if __name__ == "__main__":
    PAGE.write_text(render())
