"""``python -m skmatch``: the same as the command ``skmatch``."""

from skmatch.cli import main

if __name__ == "__main__":
    main()
