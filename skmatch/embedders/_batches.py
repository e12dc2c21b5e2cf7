"""Tokenised titles as batches of tensors: one class for each tokeniser."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from skmatch.embedders._networks import TextBatch, TokenBatch
from skmatch.titles import TOKEN_DROPOUT, TitleTokens

_TITLES_PER_PASS = 8192


class TitleBatches(ABC):
    """Rows of titles, over distinct texts that are tokenised once.

    Parameters
    ----------
    lengths : ndarray of shape (n_texts,)
        Number of tokens or characters of each distinct text.
    text_of_row : ndarray of shape (n_rows,) or None, default=None
        Index of the text of each row. None is one row for each text.
    """

    def __init__(
        self, lengths: NDArray[np.intp], text_of_row: NDArray[np.intp] | None = None
    ) -> None:
        self._lengths = lengths
        self._text_of_row = (
            np.arange(len(lengths)) if text_of_row is None else text_of_row
        )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._text_of_row)

    def select(self, rows: NDArray[Any]) -> Self:
        """Return the same with none but some rows, given by a mask or by indices."""
        selected = copy(self)
        selected._text_of_row = self._text_of_row[rows]
        return selected

    def split(self, rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Part rows into such as pass through a module together: of like length."""
        lengths = self._lengths[self._text_of_row[rows]]
        order = np.argsort(-lengths, kind="stable")
        parts, start = [], 0
        while start < len(order):
            end = start + self._n_per_pass(int(lengths[order[start]]))
            parts.append(rows[order[start:end]])
            start = end
        return parts

    def take(
        self, rows: NDArray[np.intp], generator: torch.Generator | None = None
    ) -> Any:
        """Return the batch of some rows; a generator asks for an augmented one."""
        return self._take_texts(self._text_of_row[rows], generator)

    @abstractmethod
    def _n_per_pass(self, longest: int) -> int:
        """Return how many rows pass through a module together."""

    @abstractmethod
    def _take_texts(
        self, texts: NDArray[np.intp], generator: torch.Generator | None
    ) -> Any:
        """Return the batch of some texts, by their indices."""


class TokenBatches(TitleBatches):
    """Titles as words, characters and n-grams; augmented, some tokens are left out."""

    def __init__(
        self, tokens: TitleTokens, text_of_row: NDArray[np.intp] | None = None
    ) -> None:
        super().__init__(tokens.n_characters, text_of_row)
        self._tokens = tokens

    def _n_per_pass(self, longest: int) -> int:
        return _TITLES_PER_PASS

    def _take_texts(
        self, texts: NDArray[np.intp], generator: torch.Generator | None
    ) -> TokenBatch:
        def draw(n: int) -> NDArray[np.float32]:
            return torch.rand(n, generator=generator).numpy()

        arrays = self._tokens.take(texts, draw if generator is not None else None)
        return TokenBatch(
            **{name: torch.from_numpy(array) for name, array in arrays.items()}
        )


class TextBatches(TitleBatches):
    """Titles as the token ids of a language model, padded to the longest of a batch.

    Augmented, some tokens are left out; the first and the last one, which the tokenizer
    adds to every text, stay.

    Parameters
    ----------
    ids : list of list of int
        The token ids of each distinct text.
    padding : int
        The token id to pad with.
    tokens_per_pass : int
        Largest number of tokens, with padding, that pass through a module together.
    text_of_row : ndarray of shape (n_rows,) or None, default=None
        As in `TitleBatches`.
    """

    def __init__(
        self,
        ids: list[list[int]],
        padding: int,
        tokens_per_pass: int,
        text_of_row: NDArray[np.intp] | None = None,
    ) -> None:
        super().__init__(np.array([len(row) for row in ids], np.intp), text_of_row)
        self._ids, self._padding, self._tokens_per_pass = ids, padding, tokens_per_pass

    def _n_per_pass(self, longest: int) -> int:
        return max(1, self._tokens_per_pass // longest)

    def _take_texts(
        self, texts: NDArray[np.intp], generator: torch.Generator | None
    ) -> TextBatch:
        ids = np.concatenate([self._ids[text] for text in texts])
        lengths = self._lengths[texts]
        if generator is not None:
            ends = np.cumsum(lengths)
            stays = torch.rand(len(ids), generator=generator).numpy() >= TOKEN_DROPOUT
            stays[ends - lengths] = stays[ends - 1] = True
            ids = ids[stays]
            lengths = np.add.reduceat(stays, ends - lengths, dtype=np.intp)
        return self._pad(ids, lengths)

    def _pad(self, ids: NDArray[np.int64], lengths: NDArray[np.intp]) -> TextBatch:
        """Return texts, given one after the other, as the rows of a batch."""
        mask = np.arange(lengths.max(initial=1)) < lengths[:, None]
        padded = np.full(mask.shape, self._padding, dtype=np.int64)
        padded[mask] = ids
        return TextBatch(
            torch.from_numpy(padded), torch.from_numpy(mask.astype(np.int64))
        )


class PairBatches(TextBatches):
    """Pairs of titles; their ids are those in the one order, then those in the other.

    `text_of_row` counts the pairs in the one order. Augmented, they come in either.
    """

    def _take_texts(
        self, texts: NDArray[np.intp], generator: torch.Generator | None
    ) -> TextBatch:
        if generator is not None:
            is_turned = torch.rand(len(texts), generator=generator).numpy() < 0.5
            texts = texts + len(self._ids) // 2 * is_turned
        return super()._take_texts(texts, None)  # a token may part two products
