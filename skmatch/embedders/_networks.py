"""Networks: a batch of tokens in, unit-norm embeddings out."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class TokenBatch(NamedTuple):
    """The tokens of B titles, laid end to end: there is no padding.

    A title's W words (tokens with a vector) come before its U unknown tokens.
    """

    words: Tensor  # (W, vector_size + 1) float32; the last column is the word's weight
    n_words: Tensor  # (B,) int64
    characters: Tensor  # (C,) int64, of the unknown tokens; 0 is a new character
    n_characters: Tensor  # (B,) int64
    n_unknown: Tensor  # (B,) int64
    gram_tokens: Tensor  # (G,) int64, the token of each n-gram: words, then unknown
    gram_columns: Tensor  # (G,) int64 in [0, embedding_dim), where it is hashed to
    gram_values: Tensor  # (G,) float32

    def to(self, device: torch.device) -> TokenBatch:
        """Copy to a device."""
        return TokenBatch(*(part.to(device, non_blocking=True) for part in self))


class TitleLSTM(nn.Module):
    """A cascade of two bidirectional LSTMs beside the hashed n-grams of the tokens.

    The word branch reads the tokens that have a vector, the character branch spells the
    others. Both do two things: they weigh the tokens, whose hashed n-grams are summed
    by these weights, and they add a summary of what they read.
    """

    def __init__(
        self,
        vector_size: int,
        n_characters: int,
        *,
        hidden_size: int,
        n_layers: int,
        embedding_dim: int,
        dropout: float,
        has_ngrams: bool,
    ) -> None:
        super().__init__()
        self.settings = {
            "vector_size": vector_size,
            "n_characters": n_characters,
            "hidden_size": hidden_size,
            "n_layers": n_layers,
            "embedding_dim": embedding_dim,
            "dropout": dropout,
            "has_ngrams": has_ngrams,
        }
        self.words = _Branch(vector_size + 1, hidden_size, n_layers, dropout)
        self.spelling = nn.Embedding(n_characters + 1, 32)
        self.characters = _Branch(32, hidden_size, n_layers, dropout)
        self.word_gate = nn.Linear(2 * hidden_size, 1)
        self.unknown_gate = nn.Linear(4 * hidden_size, 1)
        self.project = nn.Linear(8 * hidden_size, embedding_dim)
        self.dropout = nn.Dropout(dropout)
        self.has_ngrams = has_ngrams
        for gate in (self.word_gate, self.unknown_gate):
            nn.init.zeros_(gate.weight)
            nn.init.zeros_(gate.bias)
        if has_ngrams:  # start as weighted n-grams; the summary grows in training
            with torch.no_grad():
                self.project.weight.mul_(0.02)
                self.project.bias.mul_(0.02)

    def forward(self, batch: TokenBatch) -> Tensor:
        """Embed B titles: (B, embedding_dim) of unit norm."""
        states, words = self.words(batch.words, batch.n_words)  # (W, 2H), (B, 4H)
        spelled = self.spelling(batch.characters)  # (C, 32)
        _, unknown = self.characters(spelled, batch.n_characters)  # (B, 4H)
        summary = self.project(self.dropout(torch.cat([words, unknown], 1))).float()
        if self.has_ngrams:
            summary = summary + self._sum_ngrams(batch, states, unknown)
        return functional.normalize(summary, dim=1)

    def _sum_ngrams(self, batch: TokenBatch, states: Tensor, unknown: Tensor) -> Tensor:
        """Sum the hashed n-grams of each title, token by token: (B, embedding_dim)."""
        n_titles, embedding_dim = len(batch.n_words), self.project.out_features
        titles = torch.arange(n_titles, device=states.device)
        title_of_word = titles.repeat_interleave(batch.n_words)  # (W,)
        title_of_unknown = titles.repeat_interleave(batch.n_unknown)  # (U,)
        word_weights = batch.words[:, -1] * _weight(self.word_gate(states))
        unknown_weights = _weight(self.unknown_gate(unknown))[title_of_unknown]
        weights = torch.cat([word_weights, unknown_weights])  # (W + U,)
        title = torch.cat([title_of_word, title_of_unknown])[batch.gram_tokens]
        values = weights[batch.gram_tokens] * batch.gram_values  # (G,)
        sums = values.new_zeros(n_titles * embedding_dim)
        sums = sums.index_add(0, title * embedding_dim + batch.gram_columns, values)
        return sums.view(n_titles, embedding_dim)


class _Branch(nn.Module):
    """A bidirectional LSTM over sequences that lie end to end."""

    def __init__(
        self, input_size: int, hidden_size: int, n_layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            input_size,
            hidden_size,
            n_layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if n_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        # A title without a token of this branch has a summary of its own.
        self.empty = nn.Parameter(torch.randn(4 * hidden_size) / 10)

    def forward(self, items: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the state at each item (N, 2H) and each sequence's summary (B, 4H).

        Sequences of equal length go through the LSTM together, so that no state is ever
        read after padding and a sequence's result does not depend on the others.
        """
        starts = lengths.cumsum(0) - lengths
        rows = [(lengths == 0).nonzero()[:, 0]]
        summaries = [self.empty.expand(len(rows[0]), -1)]
        positions, states = [], []
        for length in lengths[lengths > 0].unique().tolist():
            rows.append((lengths == length).nonzero()[:, 0])  # (b,)
            steps = torch.arange(length, device=items.device)
            position = starts[rows[-1], None] + steps  # (b, L)
            state, _ = self.lstm(self.dropout(items[position]))  # (b, L, 2H)
            summaries.append(torch.cat([state.amax(1), state.mean(1)], 1).float())
            positions.append(position.flatten())
            states.append(state.flatten(0, 1))
        summary = torch.cat(summaries)[torch.cat(rows).argsort()]
        if not positions:
            return items.new_zeros(0, 2 * self.lstm.hidden_size), summary
        return torch.cat(states)[torch.cat(positions).argsort()], summary


class TextBatch(NamedTuple):
    """The token ids of B titles, padded to the longest of L tokens."""

    ids: Tensor  # (B, L) int64
    mask: Tensor  # (B, L) int64; 0 where there is padding

    def to(self, device: torch.device) -> TextBatch:
        """Copy to a device."""
        return TextBatch(*(part.to(device, non_blocking=True) for part in self))


class AdapterBert(nn.Module):
    """A frozen BERT with an adapter, pooling and, if it is trained, a projection."""

    def __init__(self, backbone: Any, pooling: str, embedding_dim: int | None) -> None:
        super().__init__()
        self.settings = {"pooling": pooling, "embedding_dim": embedding_dim}
        self.backbone = backbone
        self.pooling = pooling
        hidden_size = backbone.config.hidden_size
        self.embedding_dim = hidden_size if embedding_dim is None else embedding_dim
        self.project = (
            nn.Identity()
            if embedding_dim is None
            else nn.Linear(hidden_size, embedding_dim)
        )

    def forward(self, batch: TextBatch) -> Tensor:
        """Embed B titles: (B, embedding_dim) of unit norm."""
        projected = self.project(self.pool(batch)).float()  # bfloat16 has no unit norms
        return functional.normalize(projected, dim=1)

    def pool(self, batch: TextBatch) -> Tensor:
        """Pool what the backbone makes of the tokens: float32 (B, hidden_size)."""
        output = self.backbone(input_ids=batch.ids, attention_mask=batch.mask)
        if self.pooling == "pooler":
            return output.pooler_output.float()
        # A prompt that an adapter puts before the tokens is left out.
        states = output.last_hidden_state[:, -batch.ids.shape[1] :].float()  # (B, L, H)
        if self.pooling == "cls":
            return states[:, 0]
        return _mean(states, batch.mask)


class AdapterBertPairs(nn.Module):
    """A frozen BERT with an adapter that reads two titles at once, and says one number.

    The token ids are those of both titles with a separator after each.
    """

    def __init__(self, backbone: Any, separator: int) -> None:
        super().__init__()
        self.settings = {"separator": separator}
        self.backbone = backbone
        self.separator = separator
        size = backbone.config.hidden_size
        # Some models know one kind of token only.
        self.has_types = getattr(backbone.config, "type_vocab_size", 0) > 1
        self.compare = nn.Linear(3 * size, size)
        self.dropout = nn.Dropout(0.1)
        self.decide = nn.Linear(size, 1)

    def forward(self, batch: TextBatch) -> Tensor:
        """Return the log-odds that both titles are the same product: float32 (B,)."""
        is_end = (batch.ids == self.separator).long()
        is_right = ((is_end.cumsum(1) - is_end) > 0).long() * batch.mask  # (B, L)
        types = {"token_type_ids": is_right} if self.has_types else {}
        output = self.backbone(input_ids=batch.ids, attention_mask=batch.mask, **types)
        states = output.last_hidden_state[:, -batch.ids.shape[1] :].float()  # (B, L, H)
        left = _mean(states, batch.mask - is_right)
        right = _mean(states, is_right)
        both = [_mean(states, batch.mask), (left - right).abs(), left * right]
        compared = torch.tanh(self.compare(torch.cat(both, 1)))  # (B, H)
        return self.decide(self.dropout(compared)).float()[:, 0]


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of the states (B, L, H) that a mask (B, L) lets through."""
    weights = mask[:, :, None].float()
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


def _weight(logit: Tensor) -> Tensor:
    """Turn a gate's output (N, 1) into a positive weight (N,), at first 1."""
    return logit.float().squeeze(1).clamp(-3, 3).exp()
