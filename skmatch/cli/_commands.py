"""The commands: their arguments, their help, and what they call."""

from __future__ import annotations

from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer

from skmatch.catalogue import ProductCatalogue
from skmatch.cli._answers import AnswerFile, ask, read_answers, suggest
from skmatch.cli._errors import Commands, say
from skmatch.cli._files import STREAM, check_output, write_table
from skmatch.cli._listings import Listings, product_labels, read_listings
from skmatch.cli._models import (
    as_pair_classifier,
    group,
    load_matcher,
    score,
    set_catalogue,
)
from skmatch.evaluation import evaluate_matches
from skmatch.matchers import PairClassifierMatcher
from skmatch.persistence import save
from skmatch.tables import groups_table, match_table

app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Source = Annotated[
    str,
    typer.Argument(
        metavar="LISTINGS",
        help="A table with a row for each listing: .csv, .tsv, .jsonl or .ndjson, each "
        "also .gz; .parquet; or - for CSV on stdin.",
    ),
]
Titles = Annotated[
    list[str] | None,
    typer.Option(
        "--title",
        metavar="COLUMN",
        help="Column of the titles, again for each further field. By default what the "
        'model was fitted on, or "title".',
    ),
]
Id = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="COLUMN",
        help="Column of the ids. By default rows are numbered from 0.",
    ),
]
Product = Annotated[
    str, typer.Option("--product", metavar="COLUMN", help="Column of the product ids.")
]
Model = Annotated[
    str,
    typer.Option(
        "--model", "-m", metavar="FOLDER", help="A model that `skmatch fit` wrote."
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="The table to write, in a format of LISTINGS. By default CSV on stdout.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of what is random.")]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", metavar="N", help="Number of threads; -1 is one a core."),
]


def _example(*lines: str) -> str:
    """Return lines that help shows as they are."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"skmatch {version_of('skmatch')}")
        raise typer.Exit


@app.callback(
    epilog=_example(
        "skmatch dedupe listings.csv -o products.csv",
    )
)
def skmatch_command(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_print_version,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Find identical products by their titles."""


@app.command(
    epilog=_example("skmatch fit train.csv --product label_group -o model"),
)
def fit(
    listings: Source,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FOLDER", help="The model.")
    ],
    title: Titles = None,
    product: Annotated[
        str | None,
        typer.Option(
            "--product",
            metavar="COLUMN",
            help="Column of the product ids; empty where there is none.",
        ),
    ] = None,
    answers: Annotated[
        str | None,
        typer.Option(
            "--answers", metavar="FILE", help="Judged pairs of `skmatch label`."
        ),
    ] = None,
    id_: Id = None,
    threshold: Annotated[
        str,
        typer.Option(
            metavar="P",
            help="Smallest probability of a match, or tuned, or expected_f1.",
        ),
    ] = "tuned",
    seed: Seed = 0,
    jobs: Jobs = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a folder that is there.")
    ] = False,
) -> None:
    """Learn from labelled listings which titles match."""
    if Path(output).exists() and not force:
        raise ValueError(f"{output} is there already; --force replaces it.")
    rows = read_listings(listings, title, id_, product)
    matcher = PairClassifierMatcher(
        threshold=_as_threshold(threshold), random_state=seed, n_jobs=jobs
    )
    judged = None if answers is None else read_answers(answers, rows)
    known = {} if judged is None else judged._asdict()
    say(f"fitting on {len(rows):,} titles")
    matcher.fit(rows.X, rows.products, **known)
    save(matcher, output)
    say(f"learned from: {matcher.supervision_}")
    for name, what in (
        ("best_score_", "row-wise F1, expected of new products of this kind"),
        ("foreign_score_", "row-wise F1, of unlike products"),
        ("gallery_size_", "titles at once, for which these hold"),
        ("candidate_recall_", "share of true pairs that were looked at"),
        ("threshold_", "smallest probability of a match"),
    ):
        value = getattr(matcher, name)
        if not np.isnan(value):
            say(f"{name[:-1]}: {value:,.4g}  ({what})")


@app.command(
    epilog=_example("skmatch match listings.csv -m model --id sku -o matches.parquet"),
)
def match(
    listings: Source,
    model: Model,
    output: Output = STREAM,
    title: Titles = None,
    id_: Id = None,
) -> None:
    """List the pairs of listings that match, each once."""
    check_output(output)
    matcher = load_matcher(model)
    rows = read_listings(listings, title, id_, matcher=matcher)
    graph, matches = score(matcher, rows.X)
    is_match = matches + matches.T
    table = match_table(graph.multiply(is_match), _ids(rows), left_titles=rows.titles)
    write_table(output, table)
    say(f"{len(table):,} matches among {len(rows):,} listings")


@app.command(
    epilog=_example(
        "skmatch link feed.csv --to catalogue.csv -m model --id sku --top 3 -o out.csv",
    ),
)
def link(
    listings: Source,
    to: Annotated[
        str, typer.Option("--to", metavar="CATALOGUE", help="The listings to find.")
    ],
    model: Model,
    output: Output = STREAM,
    top: Annotated[
        int | None,
        typer.Option(
            "--top", metavar="N", min=1, help="Keep the N best matches of a listing."
        ),
    ] = None,
    title: Titles = None,
    id_: Id = None,
    to_title: Annotated[
        list[str] | None,
        typer.Option(
            "--to-title",
            metavar="COLUMN",
            help="Column of the titles of CATALOGUE, again for each further field, in "
            "the order of --title. By default the same.",
        ),
    ] = None,
    to_id: Annotated[
        str | None,
        typer.Option(
            "--to-id",
            metavar="COLUMN",
            help="Column of the ids of CATALOGUE. By default that of --id.",
        ),
    ] = None,
) -> None:
    """Find the matches of each listing in a catalogue."""
    check_output(output)
    matcher = load_matcher(model)
    rows = read_listings(listings, title, id_, matcher=matcher)
    theirs = to_title or title, to_id or id_
    catalogue = read_listings(to, *theirs, matcher=matcher)
    set_catalogue(matcher, catalogue.X)
    table = match_table(
        matcher.transform(rows.X),
        _ids(rows),
        _ids(catalogue),
        left_titles=rows.titles,
        right_titles=catalogue.titles,
        n_matches=top,
    )
    write_table(output, table)
    n_linked = len(table["left"].unique())
    say(
        f"{len(table):,} matches of {n_linked:,} of {len(rows):,} listings with a "
        f"catalogue of {len(catalogue):,}"
    )


@app.command(
    epilog=_example(
        "skmatch dedupe listings.csv -o products.csv",
        "skmatch dedupe listings.csv --id sku -m model -o products.csv",
    ),
)
def dedupe(
    listings: Source,
    output: Output = STREAM,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="FOLDER",
            help="A model that `skmatch fit` wrote. By default none, and no label is "
            "needed.",
        ),
    ] = None,
    title: Titles = None,
    id_: Id = None,
    seed: Seed = 0,
    jobs: Jobs = None,
) -> None:
    """Give listings that are the same one product id."""
    check_output(output)
    matcher = None if model is None else load_matcher(model)
    rows = read_listings(listings, title, id_, matcher=matcher)
    if matcher is None:
        say(f"fitting on {len(rows):,} titles without labels")
        matcher = PairClassifierMatcher(random_state=seed, n_jobs=jobs).fit(rows.X)
    products = group(matcher, rows.X)
    write_table(output, groups_table(products, _ids(rows), titles=rows.titles))
    say(f"{len(np.unique(products)):,} products of {len(rows):,} listings")


@app.command(
    epilog=_example("skmatch label listings.csv --id sku -o answers.csv"),
)
def label(
    listings: Source,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The answers; those that are there stay, and are not asked again.",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="FOLDER",
            help="A model that suggests pairs. By default one without labels, which "
            "learns from the answers that are there.",
        ),
    ] = None,
    pairs: Annotated[
        int, typer.Option("--pairs", metavar="N", min=1, help="How many to ask.")
    ] = 50,
    title: Titles = None,
    id_: Id = None,
    seed: Seed = 0,
    jobs: Jobs = None,
) -> None:
    """Ask about the pairs that teach most, one by one."""
    if STREAM in (listings, output):
        raise ValueError("label talks on the terminal; expected files in place of -.")
    check_output(output)
    matcher = None
    if model is not None:
        matcher = as_pair_classifier(load_matcher(model), "label")
    rows = read_listings(listings, title, id_, matcher=matcher)
    file = AnswerFile(output)
    judged = read_answers(output, rows) if len(file) else None
    if matcher is None:
        say(f"fitting on {len(rows):,} titles and {len(file):,} answers")
        known = {} if judged is None else judged._asdict()
        matcher = PairClassifierMatcher(random_state=seed, n_jobs=jobs)
        matcher.fit(rows.X, **known)
    names, titles = rows.names, rows.titles.to_pylist()
    for number, (a, b) in enumerate(suggest(matcher, rows, judged, pairs), 1):
        answer = ask((titles[a], titles[b]), number, pairs)
        if answer == "q":
            break
        if answer != "s":
            file.add((names[a], names[b]), (titles[a], titles[b]), answer)
    say(f"{len(file):,} answers in {output}")


@app.command(
    epilog=_example("skmatch evaluate test.csv -m model --product label_group"),
)
def evaluate(
    listings: Source, product: Product, model: Model, title: Titles = None
) -> None:
    """Measure the matches of labelled listings."""
    matcher = load_matcher(model)
    rows = read_listings(listings, title, products=product, matcher=matcher)
    labels = product_labels(listings, product, rows.products or [])
    graph, matches = score(matcher, rows.X)
    titles = rows.titles.to_pylist()
    typer.echo(str(evaluate_matches(labels, matches, titles, scores=graph)))


@app.command(
    epilog=_example('skmatch explain -m model "Maling Ham 397gr" "maling ham 397 gr"'),
)
def explain(
    title_a: Annotated[str, typer.Argument(metavar="TITLE")],
    title_b: Annotated[str, typer.Argument(metavar="TITLE")],
    model: Model,
) -> None:
    """Tell why two titles match or do not."""
    matcher = as_pair_classifier(load_matcher(model), "explain")
    typer.echo(str(matcher.explain(title_a, title_b)))


@app.command(
    epilog=_example(
        "skmatch add feed.csv --to catalogue -m model --id sku -o products.csv",
    ),
)
def add(
    listings: Source,
    to: Annotated[
        str,
        typer.Option("--to", metavar="FOLDER", help="The catalogue of products."),
    ],
    id_: Annotated[
        str, typer.Option("--id", metavar="COLUMN", help="Column of the listing ids.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="FOLDER",
            help="The model of a new catalogue, which keeps it.",
        ),
    ] = None,
    output: Output = STREAM,
    title: Titles = None,
) -> None:
    """Add listings to a catalogue, whose product ids stay."""
    check_output(output)
    matcher = None if model is None else load_matcher(model)
    rows = read_listings(listings, title, id_, matcher=matcher)
    with _open_catalogue(to, matcher) as catalogue:
        products = catalogue.add(rows.X, rows.names)
        n_products = len(catalogue.products())
    table = {"id": rows.ids, "product": products, "title": rows.titles}
    write_table(output, pa.table(table))
    say(f"{len(rows):,} listings added; {n_products:,} products in {to}")


def _open_catalogue(folder: str, matcher: Any) -> ProductCatalogue:
    """Open a catalogue, which has a matcher of its own, or make it."""
    try:
        return ProductCatalogue(folder)
    except FileNotFoundError:
        if matcher is None:
            raise ValueError(
                f"{folder} has no catalogue; -m is the model of a new one."
            ) from None
        return ProductCatalogue(folder, matcher)


def _ids(rows: Listings) -> Any:
    """Return the ids; numbers, if there are none, of Arrow as all else."""
    return pa.array(rows.names) if rows.ids is None else rows.ids


def _as_threshold(text: str) -> float | str:
    """Return a number, or the name of a rule."""
    try:
        return float(text)
    except ValueError:
        return text
