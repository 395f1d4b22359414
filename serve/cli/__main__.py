"""`python -m serve.cli` is `nightschool`."""

from serve.cli.main import main

main()
