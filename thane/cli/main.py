"""The command `thane`: its list of commands. Each command's module is imported only when that command is used."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App

from thane import __version__
from thane.errors import ThaneError

app = App(
    name="thane",
    help="The steward of a house's AI.",
    version=__version__,
    help_format="plaintext",
    backend="trio",
)
app.command("thane.cli.serve:serve", name="serve", help="Start Thane.")
app.command("thane.cli.check:check", name="check", help="Check a configuration and explain what it does.")
app.command("thane.cli.ask:ask", name="ask", help="Say something to a running Thane and show its answer as it comes.")
app.command("thane.cli.tail:tail", name="tail", help="Follow what a running Thane does, event by event.")
app.command("thane.cli.why:why", name="why", help="Show which model answered a run, and why that one.")
app.command("thane.cli.status:status", name="status", help="Show the health and the running turns of a running Thane.")

app.command("thane.cli.backup:backup", name="backup", help="Write everything that Thane remembers into one file.")
app.command("thane.cli.take_in:take_in", name="import", help="Take in what a Thane of the reference remembers.")
app.command("thane.cli.backup:restore", name="restore", help="Put a backup in the place of what Thane remembers.")
app.command("thane.cli.backup:repair", name="repair", help="Save what can be read of a damaged database.")


@app.command
def version() -> None:
    """Print the version, and in a checkout the branch and commit."""
    from thane.version import read_version  # noqa: PLC0415 as every command, only when it is used

    known = read_version()
    print(" ".join([known.version, *filter(None, [known.git_branch, known.git_commit[:10]])]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; None is the process's own arguments.

    What a person can mend ends with a sentence and code 1, never with a traceback.
    """
    try:
        app(sys.argv[1:] if arguments is None else arguments)
    except BrokenPipeError:  # the reader of the output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (ThaneError, BaseExceptionGroup) as error:
        causes = _leaves(error)
        if all(isinstance(cause, ThaneError) for cause in causes):
            print(*dict.fromkeys(map(str, causes)), sep="\n", file=sys.stderr)
            sys.exit(1)
        if all(isinstance(cause, KeyboardInterrupt) for cause in causes):
            sys.exit(130)  # Ctrl-C reaches whichever task runs at that moment; out of a nursery it comes in a group
        raise


def _leaves(error: BaseException) -> list[BaseException]:
    """The exceptions of a group at every depth, or the one that is none."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]
