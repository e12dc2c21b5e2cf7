"""Rows of titles over their distinct texts, part by part."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skmatch.embedders._batches import TextBatches, TitleBatches, TokenBatches
from skmatch.titles import Vocabulary, tokenize


class Lengths(TitleBatches):
    """Batches of texts that are no more than their indices."""

    def _n_per_pass(self, longest):
        return max(1, 12 // longest)

    def _take_texts(self, texts, generator):
        return texts.tolist()


def test_a_row_for_each_text():
    batches = Lengths(np.array([3, 1, 2]))
    assert len(batches) == 3
    assert batches.take(np.array([2, 0])) == [2, 0]


def test_rows_share_their_texts():
    batches = Lengths(np.array([3, 1, 2]), np.array([1, 0, 0, 2]))
    assert len(batches) == 4
    assert batches.take(np.array([2, 0, 1])) == [0, 1, 0]


def test_selected_rows_are_rows_of_their_own():
    batches = Lengths(np.array([3, 1, 2]), np.array([1, 0, 0, 2]))
    chosen = batches.select(np.array([3, 0]))
    assert len(chosen) == 2
    assert chosen.take(np.arange(2)) == [2, 1]
    masked = batches.select(np.array([False, True, False, True]))
    assert masked.take(np.arange(2)) == [0, 2]
    assert chosen.select(np.array([1])).take(np.array([0])) == [1]
    assert len(batches) == 4


def test_the_longest_come_first_and_as_many_as_fit():
    lengths = np.array([2, 6, 1, 4, 6, 3, 2])
    parts = Lengths(lengths).split(np.arange(7))
    assert [lengths[part].tolist() for part in parts] == [[6, 6], [4, 3, 2], [2, 1]]
    assert [part.tolist() for part in parts] == [[1, 4], [3, 5, 0], [6, 2]]


def test_parts_hold_the_rows_that_were_asked_for():
    batches = Lengths(np.array([2, 6, 1]), np.array([0, 0, 1, 2, 1]))
    parts = batches.split(np.array([4, 0, 3]))
    assert [part.tolist() for part in parts] == [[4, 0], [3]]


def test_tokens_are_left_out_in_training_but_not_those_of_the_tokenizer():
    ids = [[101, *range(200, 200 + n), 102] for n in (60, 0, 900)]
    batches = TextBatches(ids, padding=1, tokens_per_pass=6)
    rows = np.array([2, 1, 0])

    def take(seed):
        batch = batches.take(rows, torch.Generator().manual_seed(seed))
        return [ids[mask == 1].tolist() for ids, mask in zip(*batch, strict=True)]

    taken = take(0)
    assert taken == take(0) != take(1)
    assert taken[1] == [101, 102]
    for row, kept in zip(rows, taken, strict=True):
        assert [kept[0], kept[-1]] == [101, 102]
        inner = ids[row][1:-1]
        assert [token for token in inner if token in kept] == kept[1:-1]
    assert 0.12 < 1 - len(taken[0]) / 902 < 0.18
    assert_array_equal(batches.take(rows).ids[0], ids[2])


def test_token_ids_are_padded_to_the_longest():
    batches = TextBatches([[5, 6], [7], [8, 9, 5]], padding=1, tokens_per_pass=6)
    batch = batches.take(np.array([1, 0]))
    assert batch.ids.tolist() == [[7, 1], [5, 6]]
    assert batch.mask.tolist() == [[1, 0], [1, 1]]
    assert [part.tolist() for part in batches.split(np.arange(3))] == [[2, 0], [1]]


@pytest.fixture
def tokens():
    sentences = tokenize(["red mug", "tea", "zz red"])
    vectors = {"red": np.eye(2)[0], "mug": np.eye(2)[1]}
    vocabulary = Vocabulary(sentences, vectors, None, 8)
    return TokenBatches(vocabulary.encode(sentences), np.array([2, 0, 1]))


def test_tokens_of_some_rows(tokens):
    batch = tokens.take(np.array([1, 2]))
    assert batch.n_words.tolist() == [2, 0]
    assert batch.n_characters.tolist() == [0, 4]  # "tea "
    assert batch.words.dtype == torch.float32


def test_a_generator_leaves_tokens_out(tokens):
    rows = np.zeros(1000, np.intp)  # "zz red"
    drawn, again, other = (
        tokens.take(rows, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert tokens.take(rows).n_words.sum() == 1000
    assert drawn.n_words.sum().item() == pytest.approx(850, abs=50)
    assert_array_equal(drawn.n_words, again.n_words)
    assert not torch.equal(drawn.n_words, other.n_words)
