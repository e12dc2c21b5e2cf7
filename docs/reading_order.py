"""The order of the examples: first what most readers need."""

FIRST = (
    "quick_start",
    "no_labels",
    "judged_pairs",
    "threshold_for_precision",
    "embedders",
    "explain",
    "columns",
    "groups",
    "link_catalogues",
    "daily_listings",
    "errors",
)


class ReadingOrder:
    """A key to sort the files of a folder by."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, name: str) -> tuple[int, str]:
        """Return the place of a file; those that are not named come last, by name."""
        stem = name.removeprefix("plot_").removesuffix(".py")
        return (FIRST.index(stem) if stem in FIRST else len(FIRST), stem)
