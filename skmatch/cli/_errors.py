"""Errors and warnings as lines on stderr, and the exit codes."""

from __future__ import annotations

import warnings
from typing import Any

import typer
from typer.core import TyperGroup

WRONG_INPUT, INTERRUPTED = 1, 130


def say(text: str) -> None:
    """Print a line on stderr: stdout is for what was asked for."""
    typer.echo(text, err=True)


def read_error(path: str, error: object) -> ValueError:
    """Return an error that names the file."""
    return ValueError(f"{path}: {error}")


class Commands(TyperGroup):
    """Commands of which an error of the library is one line."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = lambda message, *_, **__: say(f"warning: {message}")
            try:
                return super().invoke(ctx)
            except BrokenPipeError:  # nobody reads on, which is no error
                raise
            except (ValueError, OSError, ImportError) as error:
                say("skmatch: " + " ".join(str(error).split()))
                raise typer.Exit(WRONG_INPUT) from error
            except KeyboardInterrupt as error:
                raise typer.Exit(INTERRUPTED) from error
