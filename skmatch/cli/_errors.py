"""Errors, warnings and progress on stderr, and the exit codes."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import typer
from typer.core import TyperGroup

from skmatch._progress import showing_progress

WRONG_INPUT, INTERRUPTED = 1, 130


def say(text: str) -> None:
    """Print a line on stderr: stdout is for what was asked for."""
    typer.echo(text, err=True)


def _in_one_line(text: object) -> str:
    return " ".join(str(text).split())


def _show(message: object, *_: Any, **__: Any) -> None:
    """Show a warning, in place of what Python does."""
    say(f"warning: {_in_one_line(message)}")


class Commands(TyperGroup):
    """Commands of which an error of the library is one line; bars on a terminal."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with warnings.catch_warnings(), showing_progress(sys.stderr.isatty()):
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _show
            try:
                return super().invoke(ctx)
            except BrokenPipeError:  # nobody reads on, which is no error
                raise
            except (ValueError, OSError, ImportError) as error:
                say(f"skmatch: {_in_one_line(error)}")
                raise typer.Exit(WRONG_INPUT) from error
            except KeyboardInterrupt as error:
                raise typer.Exit(INTERRUPTED) from error
