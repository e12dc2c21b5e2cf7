import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from skmatch.embedders._networks import TitleLSTM, TokenBatch, _Branch


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def make_batch(n_words, n_characters, embedding_dim=12):
    n_words, n_characters = torch.tensor(n_words), torch.tensor(n_characters)
    n_unknown = (n_characters + 2) // 3
    n_tokens = int(n_words.sum() + n_unknown.sum())
    return TokenBatch(
        words=torch.rand(int(n_words.sum()), 6),
        n_words=n_words,
        characters=torch.randint(0, 9, (int(n_characters.sum()),)),
        n_characters=n_characters,
        n_unknown=n_unknown,
        gram_tokens=torch.arange(n_tokens).repeat_interleave(4),
        gram_columns=torch.randint(0, embedding_dim, (4 * n_tokens,)),
        gram_values=torch.randn(4 * n_tokens),
    )


def make_module(**params):
    defaults = {"hidden_size": 5, "n_layers": 1, "embedding_dim": 12}
    defaults |= {"dropout": 0.1, "has_ngrams": True}
    return TitleLSTM(5, 9, **(defaults | params)).eval()


def title(batch, number):
    """Cut one title out of a batch."""
    words = batch.n_words.cumsum(0) - batch.n_words
    characters = batch.n_characters.cumsum(0) - batch.n_characters
    unknown = batch.n_unknown.cumsum(0) - batch.n_unknown + batch.n_words.sum()
    w, c, u = words[number], characters[number], unknown[number]
    n_w, n_c, n_u = (
        part[number : number + 1]
        for part in (batch.n_words, batch.n_characters, batch.n_unknown)
    )
    of_words = (batch.gram_tokens >= w) & (batch.gram_tokens < w + n_w)
    of_unknown = (batch.gram_tokens >= u) & (batch.gram_tokens < u + n_u)
    tokens = torch.cat(
        [batch.gram_tokens[of_words] - w, batch.gram_tokens[of_unknown] - u + n_w]
    )
    return TokenBatch(
        batch.words[w : w + n_w],
        n_w,
        batch.characters[c : c + n_c],
        n_c,
        n_u,
        tokens,
        torch.cat([batch.gram_columns[of_words], batch.gram_columns[of_unknown]]),
        torch.cat([batch.gram_values[of_words], batch.gram_values[of_unknown]]),
    )


@pytest.mark.parametrize("has_ngrams", [True, False])
@pytest.mark.parametrize("n_layers", [1, 2])
def test_embedding_does_not_depend_on_the_batch(has_ngrams, n_layers):
    module = make_module(has_ngrams=has_ngrams, n_layers=n_layers)
    batch = make_batch([3, 0, 7, 3, 0], [0, 40, 2, 9, 0])
    with torch.inference_mode():
        together = module(batch)
        alone = torch.cat([module(title(batch, number)) for number in range(5)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(5))


def test_branch_equals_packed_sequences():
    branch = _Branch(4, 6, 2, 0.0).eval()
    lengths = [5, 1, 9, 5]
    sequences = [torch.randn(length, 4) for length in lengths]
    with torch.inference_mode():
        states, summaries = branch(torch.cat(sequences), torch.tensor(lengths))
        packed, _ = branch.lstm(pack_sequence(sequences, enforce_sorted=False))
        padded, _ = pad_packed_sequence(packed, batch_first=True)
    for number, length in enumerate(lengths):
        expected = padded[number, :length]
        start = sum(lengths[:number])
        torch.testing.assert_close(states[start : start + length], expected)
        summary = torch.cat([expected.amax(0), expected.mean(0)])
        torch.testing.assert_close(summaries[number], summary)


def test_ngram_sum_equals_a_slow_loop():
    module = make_module()
    torch.nn.init.normal_(module.word_gate.weight)
    torch.nn.init.normal_(module.unknown_gate.weight)
    batch = make_batch([2, 0, 1], [4, 7, 0])
    states, _ = module.words(batch.words, batch.n_words)
    spelled = module.spelling(batch.characters)
    _, unknown = module.characters(spelled, batch.n_characters)
    gates = module.word_gate(states).squeeze(1).exp()
    owner = [0, 0, 2] + [0] * int(batch.n_unknown[0]) + [1] * int(batch.n_unknown[1])
    expected = torch.zeros(3, 12)
    for token, column, value in zip(
        batch.gram_tokens, batch.gram_columns, batch.gram_values, strict=True
    ):
        row = owner[token]
        is_word = token < 3
        weight = (
            batch.words[token, -1] * gates[token]
            if is_word
            else module.unknown_gate(unknown[row]).exp()[0]
        )
        expected[row, column] += weight * value
    torch.testing.assert_close(module._sum_ngrams(batch, states, unknown), expected)


def test_untrained_network_is_the_weighted_ngrams():
    module = make_module()
    batch = make_batch([2, 3], [3, 3])
    with torch.inference_mode():
        embeddings = module(batch)
    sums = np.zeros((2, 12))
    weights = np.append(batch.words[:, -1].numpy(), [1, 1])
    owner = np.array([0, 0, 1, 1, 1, 0, 1])
    tokens = batch.gram_tokens.numpy()
    columns = batch.gram_columns.numpy()
    np.add.at(
        sums, (owner[tokens], columns), weights[tokens] * batch.gram_values.numpy()
    )
    cosine = (sums * embeddings.numpy()).sum(1) / np.linalg.norm(sums, axis=1)
    assert (cosine > 0.99).all()


def test_every_weight_gets_a_gradient():
    module = make_module().train()
    module(make_batch([3, 0, 7, 0], [0, 4, 2, 0]))[:, 0].sum().backward()
    without = [name for name, p in module.named_parameters() if p.grad is None]
    assert without == []


@pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(),
    reason="this CPU has no bfloat16 LSTM; the network uses it on a GPU only",
)
def test_bfloat16_autocast_changes_little():
    module, batch = make_module(), make_batch([3, 0, 7], [0, 40, 2])
    with torch.inference_mode():
        exact = module(batch)
        with torch.autocast("cpu", torch.bfloat16):
            rough = module(batch)
    assert rough.dtype == torch.float32
    assert (exact * rough).sum(1).min() > 0.999
