"""What a feature is, in words, and an explanation as text and HTML."""

import re

import pytest

from skmatch import PairClassifierMatcher, PairExplanation
from skmatch.pairs._explanation import TitleSay
from skmatch.pairs._explanation_display import describe_feature

EXPLANATION = PairExplanation(
    probability=0.25,
    contributions=[("codes_alone_max", 2.0, -3.0), ("own_<gap>", 1.0, 1.5)],
    title_a="Mug <b>Blue</b> A1",
    title_b="mug A2",
    before_propagation=0.125,
    says=(TitleSay("cup & mug", 0.75, 0.5),),
)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("words_bigrams", "share of neighbouring words: phrases"),
        ("lengths_words_max", "number of words, the larger side"),
        ("lstmtitleembedder1", "similarity by lstmtitleembedder1"),
        (
            "tfidfvectorizer0_rank_min",
            "tfidfvectorizer0: number of candidates that are nearer, the smaller side",
        ),
        ("lstm_agreement", "lstm: likeness of the candidates of both"),
        ("words_learned", "log-odds by the learned weights of the words"),
        ("price_gap", ""),
    ],
)
def test_features_in_words(name, meaning):
    assert describe_feature(name) == meaning


def test_all_features_of_ours_have_words(listings):
    titles, product_ids = listings
    matcher = PairClassifierMatcher(random_state=0, cv=2).fit(titles, product_ids)
    names = matcher.get_pair_feature_names()
    assert len(names) > 60
    assert [name for name in names if not describe_feature(name)] == []
    frame = matcher.explain(titles[0], titles[1]).to_frame()
    assert frame.columns.tolist() == ["feature", "value", "adds", "meaning"]
    assert frame["meaning"].map(len).min() > 0


def test_text():
    lines = str(EXPLANATION).splitlines()
    assert lines[:5] == [
        "probability of a match: 0.250",
        "before propagation: 0.125",
        "words of both: mug",
        "words of a alone: <b>blue</b> a1",
        "words of b alone: a2",
    ]
    meaning = "number of model codes of one title alone, the larger side"
    assert lines[7] == f" -3.00    2.000  {'codes_alone_max':28}  {meaning}"
    assert lines[8].split() == ["+1.50", "1.000", "own_<gap>"]


def test_html_is_escaped_and_marks_what_differs():
    html = EXPLANATION._repr_html_()
    assert re.findall('class="alone">(.*?)</span>', html) == [
        "&lt;b&gt;Blue&lt;/b&gt;",
        "A1",
        "A2",
    ]
    assert "cup &amp; mug" in html
    assert "<code>own_&lt;gap&gt;</code>" in html
    bars = re.findall(r'class="bar (\w+)" style="width: (.*?)em"', html)
    assert bars == [("against", "8.0"), ("for", "4.0")]


def test_html_of_an_explanation_without_contributions():
    html = PairExplanation(0.5, [])._repr_html_()
    assert "Probability of a match 0.500" in html
