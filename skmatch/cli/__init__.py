"""The ``skmatch`` command: files of listings in, files of matches and products out.

A shell over the library, without algorithms of its own; it needs typer and pyarrow.

- ``_commands.py``: the commands, their options and their help
- ``_errors.py``: errors and warnings in one line, and exit codes
- ``_listings.py``: columns of a file as titles, ids and product labels
- ``_files.py``: CSV, TSV, JSON lines and Parquet, read and written
- ``_models.py``: what is asked of a matcher
- ``_answers.py``: pairs that were judged: asked, kept and read
"""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments of this process name.

    It ends the process with 0, or 1 for input that is wrong, 2 for a wrong call, 130
    if it is interrupted.
    """
    try:
        import pyarrow  # noqa: F401
        import typer  # noqa: F401
    except ImportError as error:
        sys.exit(f"skmatch: {error.name} is not there: pip install 'skmatch[cli]'")
    from skmatch.cli._commands import app

    app(prog_name="skmatch")
