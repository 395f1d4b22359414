"""`nightschool`: every verb, and the one place where an error becomes an exit code.

Verbs are grouped by what they touch; each imports what it needs when it runs, so that `--help` is quick.
"""

import io
import os
import sys
from collections.abc import Sequence

import typer

from nightschool.errors import NightschoolError, full_disk
from serve.cli.adapters import adapters_app
from serve.cli.audit import audit_app
from serve.cli.bots import bots_app
from serve.cli.data import add_data_verbs
from serve.cli.dataset import dataset_app
from serve.cli.erase import add_erasing_verb
from serve.cli.escalations import escalations_app
from serve.cli.evals import evals_app
from serve.cli.evaluate import add_judging_verbs
from serve.cli.files import files_app
from serve.cli.golden import golden_app
from serve.cli.jobs import add_job_verbs
from serve.cli.keys import keys_app
from serve.cli.knowledge import knowledge_app
from serve.cli.local import add_local_verbs
from serve.cli.looks import add_looking_verbs
from serve.cli.moves import add_moving_verbs
from serve.cli.operators import operators_app
from serve.cli.options import Chosen, ConfigOption, HomeOption, OperatorOption
from serve.cli.quarantine import add_quarantine_verb
from serve.cli.record import add_record_verbs
from serve.cli.scores import add_scoring_verb
from serve.cli.talk import say
from serve.cli.trace import add_tracing_verb


def make_app() -> typer.Typer:
    """The command line, put together."""
    app = typer.Typer(
        name="nightschool",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(choose)
    add_local_verbs(app)
    add_looking_verbs(app)
    add_judging_verbs(app)
    add_data_verbs(app)
    add_record_verbs(app)
    add_moving_verbs(app)
    add_erasing_verb(app)
    add_tracing_verb(app)
    add_scoring_verb(app)
    add_quarantine_verb(app)
    add_job_verbs(app)
    app.add_typer(adapters_app(), name="adapters")
    app.add_typer(audit_app(), name="audit")
    app.add_typer(bots_app(), name="bots")
    app.add_typer(dataset_app(), name="dataset")
    app.add_typer(escalations_app(), name="escalations")
    app.add_typer(evals_app(), name="evals")
    app.add_typer(files_app(), name="files")
    app.add_typer(golden_app(), name="golden")
    app.add_typer(keys_app(), name="keys")
    app.add_typer(knowledge_app(), name="knowledge")
    app.add_typer(operators_app(), name="operators")
    return app


def choose(
    context: typer.Context, home: HomeOption = None, config: ConfigOption = None, operator: OperatorOption = None
) -> None:
    """The support chatbot that goes to school every night.

    Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 failed, 2 wrong input, 3 not found, 4 not allowed,
    5 busy, 6 no server or engine, 7 and 8 what `eval` found, 130 Ctrl-C.
    """
    context.obj = Chosen(home, config, operator)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a verb and exit: 0 is done, 130 is Ctrl-C, the rest are those of `nightschool.errors`."""
    # What is written holds what people said, also by children and by libraries that ask for no mode: nobody else's.
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What people wrote is of any alphabet, a terminal's or pipe's locale need not be.
            stream.reconfigure(errors="backslashreplace")
    try:
        # Named, since `python -m serve.cli` would call itself that in its help.
        make_app()(arguments, prog_name="nightschool")
    except (NightschoolError, OSError) as error:
        known = error if isinstance(error, NightschoolError) else full_disk(error)
        if known is None:
            raise
        say(f"nightschool: {known}")
        sys.exit(known.exit_code)
