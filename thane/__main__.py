"""`python -m thane`: the same as the `thane` command."""

from thane.cli.main import main

main()
