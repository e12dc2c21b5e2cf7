"""The commands on made-up titles: what they write, say and refuse."""

import csv
import json
import subprocess
import sys
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from typer.testing import CliRunner

import skmatch
from skmatch import (
    FaissThresholdMatcher,
    PairClassifierMatcher,
    TunedThresholdMatcherCV,
    group_matches,
    make_product_titles,
)
from skmatch.cli import _commands
from skmatch.cli._commands import app

TITLES, PRODUCT_IDS = make_product_titles(60, random_state=0)
SKUS = [f"s{row:03}" for row in range(len(TITLES))]
HALF = len(TITLES) // 2


def run(*args, stdin=None):
    """Return the exit code, stdout and stderr of a command."""
    done = CliRunner().invoke(app, [*map(str, args)], input=stdin, prog_name="skmatch")
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [*csv.DictReader(file)]


def write_csv(path, rows):
    columns = {
        "sku": [SKUS[row] for row in rows],
        "title": [TITLES[row] for row in rows],
        "product": [f"p{PRODUCT_IDS[row]}" for row in rows],
    }
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with listings, and a model of them."""
    folder = tmp_path_factory.mktemp("home")
    every = write_csv(folder / "all.csv", range(len(TITLES)))
    write_csv(folder / "feed.csv", range(HALF, len(TITLES)))
    write_csv(folder / "catalogue.csv", range(HALF))
    code, out, err = run("fit", every, "--product", "product", "-o", folder / "model")
    assert (code, out) == (0, "")
    assert f"fitting on {len(TITLES)} titles" in err
    assert "learned from: product_ids" in err
    assert "best_score: 0." in err
    return folder


@pytest.fixture(scope="module")
def matcher(home):
    return skmatch.load(home / "model")


def test_a_model_is_the_one_of_the_library(matcher):
    expected = PairClassifierMatcher(random_state=0).fit(TITLES, PRODUCT_IDS)
    assert matcher.threshold_ == expected.threshold_
    scores = matcher.score_graph(TITLES)
    assert (scores != expected.score_graph(TITLES)).nnz == 0


def test_fit_replaces_a_model_by_force_alone(home, tmp_path):
    titles = write_csv(tmp_path / "few.csv", range(40))
    args = ("fit", titles, "--product", "product", "-o", home / "model")
    code, _, err = run(*args)
    assert code == 1
    assert err == f"skmatch: {home}/model is there already; --force replaces it.\n"
    args = (*args[:-1], tmp_path, "--force", "--threshold", "0.625", "--seed", 1)
    code, _, err = run(*args)
    assert code == 0
    assert "threshold: 0.625" in err
    assert skmatch.load(tmp_path).random_state == 1


def test_fit_on_fields_and_some_labels(home, tmp_path):
    path = tmp_path / "few.jsonl"
    lines = [
        json.dumps({"name": title, "brand": f"B{product}", "p": label})
        for title, product in zip(TITLES[:90], PRODUCT_IDS[:90].tolist(), strict=True)
        for label in [product if product % 3 else None]
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    fields = ("--title", "name", "--title", "brand")
    code, _, err = run("fit", path, *fields, "--product", "p", "-o", tmp_path / "m")
    assert (code, "learned from: product_ids" in err) == (0, True)
    assert [*skmatch.load(tmp_path / "m").feature_names_in_] == ["name", "brand"]
    code, out, _ = run("match", path, "-m", tmp_path / "m")  # which knows the columns
    assert code == 0
    assert f"{TITLES[1]} B{PRODUCT_IDS[1]}" in out
    code, other, _ = run("match", path, *fields, "-m", tmp_path / "m")
    assert (code, other) == (0, out)
    code, _, err = run("match", path, "--title", "name", "-m", tmp_path / "m")
    assert code == 1
    assert "--title names 1 columns; expected 2, for ['name', 'brand']" in err


def test_match(home, matcher, tmp_path):
    out = tmp_path / "matches.parquet"
    code, _, err = run(
        "match", home / "all.csv", "-m", home / "model", "--id", "sku", "-o", out
    )
    table = pq.read_table(out)
    found = set(zip(*(table[c].to_pylist() for c in ("left", "right")), strict=True))
    pairs = zip(*matcher.decide(matcher.score_graph(TITLES)).nonzero(), strict=True)
    assert found == {(SKUS[i], SKUS[j]) for i, j in pairs if i < j}
    assert table.column_names == [
        *("left", "right", "left_title", "right_title", "score", "rank")
    ]
    assert (
        table["left_title"][0].as_py() == TITLES[SKUS.index(table["left"][0].as_py())]
    )
    assert code == 0
    assert f"{len(table)} matches among {len(TITLES)} listings" in err


def test_match_by_standard_streams(home, matcher):
    text = (home / "all.csv").read_text(encoding="utf-8")
    code, out, _ = run("match", "-", "-m", home / "model", stdin=text)
    n_matches = (matcher.decide(matcher.score_graph(TITLES)).nnz - len(TITLES)) // 2
    assert code == 0
    assert out.splitlines()[0] == "left,right,left_title,right_title,score,rank"
    assert len(out.splitlines()) == n_matches + 1


def test_link(home, matcher, tmp_path):
    catalogue = home / "catalogue.csv"
    args = ("link", home / "feed.csv", "--to", catalogue, "-m", home / "model")
    code, _, err = run(*args, "--id", "sku", "--top", 2, "-o", tmp_path / "out.csv")
    graph = matcher.set_catalogue(TITLES[:HALF]).transform(TITLES[HALF:])
    expected = []
    for row in range(graph.shape[0]):
        scores = graph[[row]].toarray()[0]
        best = sorted(np.flatnonzero(scores), key=lambda j, s=scores: -s[j])[:2]
        expected += [(SKUS[HALF + row], SKUS[j], n) for n, j in enumerate(best, 1)]
    found = [
        (row["left"], row["right"], int(row["rank"]))
        for row in rows_of(tmp_path / "out.csv")
    ]
    assert found == expected
    assert code == 0
    assert f"with a catalogue of {HALF}" in err


def test_link_of_files_with_other_columns(home, tmp_path):
    catalogue = tmp_path / "theirs.csv"
    lines = [f"c{row},{TITLES[row]}" for row in range(HALF)]
    catalogue.write_text("\n".join(["key,name", *lines]), "utf-8")
    args = ("link", home / "feed.csv", "--to", catalogue, "-m", home / "model")
    code, out, _ = run(*args, "--id", "sku", "--to-id", "key", "--to-title", "name")
    assert code == 0
    same = ("link", home / "feed.csv", "--to", home / "catalogue.csv", "--id", "sku")
    _, expected, _ = run(*same, "-m", home / "model")
    found = [row.split(",")[:2] for row in out.splitlines()[1:]]
    assert found == [
        [left, f"c{SKUS.index(right)}"]
        for left, right in (row.split(",")[:2] for row in expected.splitlines()[1:])
    ]
    code, _, err = run(*args, "--id", "sku", "--to-title", "name")
    assert code == 1
    assert "theirs.csv has no column 'sku'" in err


def test_commands_warn_as_predict_does(home, tmp_path):
    few = write_csv(tmp_path / "few.csv", range(6))
    for command in (["match"], ["evaluate", "--product", "product"]):
        code, _, err = run(*command, few, "-m", home / "model")
        assert code == 0
        assert "warning: The threshold was chosen on galleries of about" in err


def tfidf(*args):
    embedder = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
    return make_pipeline(embedder, FaissThresholdMatcher(*args))


@pytest.mark.parametrize("kind", ["pipeline", "tuned", "tuned at the end"])
def test_models_of_other_matchers(home, tmp_path, kind):
    model = tfidf(0.5)
    if kind == "tuned":
        model = TunedThresholdMatcherCV(tfidf())
    elif kind == "tuned at the end":
        model.steps[-1] = ("tuned", TunedThresholdMatcherCV(FaissThresholdMatcher()))
    model.fit(TITLES, PRODUCT_IDS)
    skmatch.save(model, tmp_path / "m")
    args = ("-m", tmp_path / "m", "--id", "sku")
    code, out, _ = run("match", home / "all.csv", *args)
    assert code == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the size of the folds
        n_matches = (model.predict(TITLES).nnz - len(TITLES)) // 2
    assert len(out.splitlines()) == n_matches + 1
    code, out, _ = run("link", home / "feed.csv", "--to", home / "catalogue.csv", *args)
    assert code == 0
    assert out.splitlines()[1].startswith("s")
    assert {line.split(",")[1] for line in out.splitlines()[1:]} <= {*SKUS[:HALF]}
    code, out, _ = run("dedupe", home / "all.csv", *args)
    assert code == 0
    assert len(out.splitlines()) == len(TITLES) + 1
    code, _, err = run("explain", "-m", tmp_path / "m", "tea", "mug")
    assert code == 1
    assert "explain needs a model of PairClassifierMatcher" in err


def test_dedupe_with_a_model(home, matcher, tmp_path):
    out = tmp_path / "products.csv"
    args = ("dedupe", home / "all.csv", "-m", home / "model", "-o", out)
    code, _, err = run(*args, "--id", "sku")
    products = group_matches(matcher.score_graph(TITLES))
    found = {row["id"]: int(row["product"]) for row in rows_of(out)}
    assert found == dict(zip(SKUS, products.tolist(), strict=True))
    sizes = [int(row["size"]) for row in rows_of(out)]
    assert sizes == sorted(sizes, reverse=True)
    assert code == 0
    assert f"{products.max() + 1} products of {len(TITLES)} listings" in err


def test_dedupe_without_labels(home, tmp_path):
    code, _, err = run("dedupe", home / "all.csv", "-o", tmp_path / "p.csv")
    matcher = PairClassifierMatcher(random_state=0).fit(TITLES)
    products = group_matches(matcher.score_graph(TITLES))
    found = {int(row["id"]): int(row["product"]) for row in rows_of(tmp_path / "p.csv")}
    assert found == dict(enumerate(products.tolist()))
    assert code == 0
    assert f"fitting on {len(TITLES)} titles without labels" in err


def test_label_goes_on_where_it_ended(home, tmp_path):
    answers = tmp_path / "answers.csv"
    args = ("label", home / "all.csv", "-m", home / "model", "--id", "sku")
    args += ("-o", answers, "--pairs", 4)
    code, out, err = run(*args, stdin="y\nwhat\nN\ns\nq\n")
    assert (code, out) == (0, "")
    assert err.count("same product?") == 5
    assert "2 answers in" in err
    first = rows_of(answers)
    assert [row["is_match"] for row in first] == ["1", "0"]
    assert first[0]["left_title"] == TITLES[SKUS.index(first[0]["left"])]
    code, _, err = run(*args, stdin="yes\nyes\n")  # and the end of the input
    assert code == 0
    every = rows_of(answers)
    assert every[:2] == first
    assert [row["is_match"] for row in every] == ["1", "0", "1", "1"]
    assert len({frozenset((row["left"], row["right"])) for row in every}) == 4


def test_answers_are_learned_from(home, tmp_path, matcher):
    answers = tmp_path / "answers.csv"
    suggested = matcher.suggest_pairs(TITLES, 30)
    lines = ["left,right,is_match,left_title,right_title,note"]
    lines += [
        f"{SKUS[a]},{SKUS[b]},{'yes' if PRODUCT_IDS[a] == PRODUCT_IDS[b] else 'no'},,,x"
        for a, b in suggested
    ]
    answers.write_text("\n".join([*lines, "gone,s001,1,,,x"]), encoding="utf-8")
    args = ("--id", "sku", "-o", answers, "--pairs", 1)
    code, _, err = run("label", home / "all.csv", *args, stdin="n\n")
    assert code == 0
    assert f"fitting on {len(TITLES)} titles and 31 answers" in err
    assert "1 answers of" in err  # those of a listing that is gone
    assert [row["note"] for row in rows_of(answers)] == ["x"] * 31 + [""]
    code, _, err = run(
        *("fit", home / "all.csv", "--answers", answers, "--id", "sku"),
        *("-o", tmp_path / "m"),
    )
    assert code == 0
    assert "learned from: pairs" in err
    judged = skmatch.load(tmp_path / "m").score_graph(TITLES)
    a, b = suggested[0]
    assert judged[a, b] == (PRODUCT_IDS[a] == PRODUCT_IDS[b])


def test_evaluate(home, matcher):
    args = ("--product", "product", "-m", home / "model")
    code, out, _ = run("evaluate", home / "all.csv", *args)
    scores = matcher.score_graph(TITLES)
    labels = [f"p{product}" for product in PRODUCT_IDS]
    expected = skmatch.evaluate_matches(
        labels, matcher.decide(scores), TITLES, scores=scores
    )
    assert (code, out) == (0, f"{expected}\n")


def test_explain(home, matcher):
    code, out, _ = run("explain", "-m", home / "model", TITLES[0], TITLES[1])
    again = skmatch.load(home / "model")
    assert (code, out) == (0, f"{again.explain(TITLES[0], TITLES[1])}\n")


def test_add(home, tmp_path):
    args = ("--to", tmp_path / "shop", "--id", "sku")
    code, _, err = run("add", home / "catalogue.csv", *args)
    assert code == 1
    assert "has no catalogue; -m is the model of a new one" in err
    code, out, err = run("add", home / "catalogue.csv", *args, "-m", home / "model")
    assert code == 0
    assert f"{HALF} listings added" in err
    known = {line.split(",")[1] for line in out.splitlines()[1:]}
    code, _, _ = run("add", home / "feed.csv", *args, "-o", tmp_path / "new.csv")
    assert code == 0
    rows = rows_of(tmp_path / "new.csv")
    assert [row["id"] for row in rows] == SKUS[HALF:]
    with skmatch.ProductCatalogue(tmp_path / "shop", read_only=True) as shop:
        found = shop.find(SKUS[HALF:])
        assert [int(row["product"]) for row in rows] == found.tolist()
        assert known & {row["product"] for row in rows}
    code, _, err = run("add", home / "feed.csv", *args)
    assert code == 1
    assert f"listing_ids holds '{SKUS[HALF]}'" in err


WRONG_ROWS = [
    ("sku,title\na,tea\na,mug\n", (), "column 'sku' is 'a', as row 0 is"),
    ("sku,title\na,tea\n,mug\n", (), "row 1 of .*column 'sku' is missing"),
    ("sku,title\n", (), "has no rows"),
    ("sku,name\na,tea\n", (), "has no column 'title'"),
]


@pytest.mark.parametrize(("text", "args", "message"), WRONG_ROWS)
def test_listings_that_are_wrong(home, tmp_path, text, args, message):
    (tmp_path / "in.csv").write_text(text)
    args = ("match", tmp_path / "in.csv", "-m", home / "model", "--id", "sku")
    code, out, err = run(*args, "-o", tmp_path / "out.csv")
    assert (code, out) == (1, "")
    assert err.startswith("skmatch: ")
    assert "in.csv" in err
    assert err.count("\n") == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(err)
    assert not (tmp_path / "out.csv").exists()


def test_a_title_that_is_missing(home, tmp_path):
    pq.write_table(pa.table({"title": ["tea", None]}), tmp_path / "in.parquet")
    code, _, err = run("match", tmp_path / "in.parquet", "-m", home / "model")
    assert code == 1
    assert "in.parquet: row 1 has no value in column 'title'" in err


def test_a_product_that_is_missing(home, tmp_path):
    (tmp_path / "in.csv").write_text("title,product\ntea,1\nmug,\n")
    args = ("--product", "product", "-m", home / "model")
    code, _, err = run("evaluate", tmp_path / "in.csv", *args)
    assert code == 1
    assert "in.csv: row 1 has no value in column 'product'" in err


def test_an_answer_that_is_none(home, tmp_path):
    (tmp_path / "a.csv").write_text("left,right,is_match\ns000,s001,maybe\n")
    args = ("--answers", tmp_path / "a.csv", "--id", "sku", "-o", tmp_path / "m")
    code, _, err = run("fit", home / "all.csv", *args)
    assert code == 1
    assert "row 0 has 'maybe' in column 'is_match'; expected one of 1, true," in err


def test_a_model_that_is_none(home, tmp_path):
    code, _, err = run("match", home / "all.csv", "-m", tmp_path)
    assert code == 1
    assert "is not a folder that skmatch.save wrote" in err
    skmatch.save(FaissThresholdMatcher(), tmp_path / "m")
    code, _, err = run("match", home / "all.csv", "-m", tmp_path / "m")
    assert code == 1


def test_label_needs_the_terminal(home, tmp_path):
    code, _, err = run("label", "-", "-o", tmp_path / "a.csv", stdin="title\ntea\n")
    assert code == 1
    assert "label talks on the terminal" in err


def test_an_output_that_cannot_be_written_takes_no_time(home, monkeypatch):
    monkeypatch.setattr(_commands, "load_matcher", None)
    args = ("match", home / "all.csv", "-m", home / "model")
    code, _, err = run(*args, "-o", home / "nowhere" / "x.csv")
    assert code == 1
    assert "is in no folder" in err


def test_warnings_are_lines_on_stderr(home, monkeypatch):
    def warn(folder):
        warnings.warn("look\nhere", UserWarning, stacklevel=2)
        warnings.warn("old", DeprecationWarning, stacklevel=2)
        return skmatch.load(folder)

    monkeypatch.setattr(_commands, "load_matcher", warn)
    code, _, err = run("explain", "-m", home / "model", "tea", "tea")
    assert (code, err) == (0, "warning: look here\n")


def test_interrupted(home, monkeypatch):
    def interrupt(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(_commands, "load_matcher", interrupt)
    assert run("explain", "-m", home / "model", "tea", "tea")[0] == 130


@pytest.mark.parametrize(
    "command", [c.callback.__name__ for c in app.registered_commands]
)
def test_help_has_an_example(command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"Example:\n    skmatch {command} " in out


def test_version_and_usage():
    assert run("--version") == (0, f"skmatch {skmatch.__version__}\n", "")
    code, out, err = run("match", "in.csv")
    assert (code, out) == (2, "")
    assert "Missing option '--model'" in err
    assert run("link", "x.csv", "--to", "y.csv", "-m", "m", "--top", 0)[0] == 2


def test_as_a_module(tmp_path):
    (tmp_path / "in.csv").write_text("title\ntea\n")
    args = [sys.executable, "-m", "skmatch", "match", "in.csv", "-m", "model"]
    done = subprocess.run(
        args, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("skmatch: model is not a folder that skmatch.save")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("module", ["typer", "pyarrow"])
def test_without_typer_the_extra_is_named(module):
    code = f"""
import sys
sys.modules["{module}"] = None
from skmatch.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"skmatch: {module} is not there: pip install 'skmatch[cli]'\n"
    )
