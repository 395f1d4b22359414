"""`nightschool`: every verb, and the one place where an error becomes an exit code.

Verbs are grouped by what they touch; each imports what it needs when it runs, so that `--help` is quick.
"""

import sys

import typer

from nightschool.errors import NightschoolError
from serve.cli.data import add_data_verbs
from serve.cli.keys import keys_app
from serve.cli.local import add_local_verbs
from serve.cli.looks import add_looking_verbs
from serve.cli.moves import add_moving_verbs
from serve.cli.talk import say

INTERRUPTED = 130


def make_app() -> typer.Typer:
    """The command line, put together."""
    app = typer.Typer(
        name="nightschool",
        help="The support chatbot that goes to school every night.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    add_local_verbs(app)
    add_looking_verbs(app)
    add_data_verbs(app)
    add_moving_verbs(app)
    app.add_typer(keys_app(), name="keys")
    return app


def main() -> None:
    """Run a verb. Exit codes are those of `nightschool.errors`; 0 is done, 130 is Ctrl-C."""
    try:
        make_app()()
    except NightschoolError as error:
        say(f"nightschool: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
