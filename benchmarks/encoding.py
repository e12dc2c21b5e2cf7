"""Speed of the embedders: titles encoded and trained on per second.

    python benchmarks/encoding.py DATA.csv [MODEL]

DATA.csv has the columns ``title`` and ``label_group``. With MODEL, the folder of a
BERT-family model such as all-MiniLM-L6-v2, AdapterBertEmbedder encodes 4,000 titles
against ``SentenceTransformer.encode`` at its best batch size. Without, the peer of
LSTMTitleEmbedder is the same network with the same weights, fed the usual way: batches
of 256 titles in the order of the file, packed by ``torch.nn.utils.rnn.pack_sequence``.
Each figure is the best of a few turns, taken in one run and in alternation.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
import torch
from accuracy import print_table, read_split, tune
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from skmatch import AdapterBertEmbedder, LSTMTitleEmbedder, make_product_titles
from skmatch.embedders._base import _Rows
from skmatch.embedders._networks import _Branch
from skmatch.embedders._training import _class_batches, embed
from skmatch.titles._tokens import distinct

PEER_BATCH = 256
PEER_BATCHES = (16, 32)  # of sentence-transformers
PRECISIONS = (
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
)


class PackedBranch(_Branch):
    """The same branch by packed sequences."""

    def forward(
        self, items: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the state at each item and each sequence's summary."""
        is_full = lengths > 0
        summary = self.empty.expand(len(lengths), -1).clone()
        if not is_full.any():
            return items.new_zeros(0, 2 * self.lstm.hidden_size), summary
        sequences = self.dropout(items).split(lengths[is_full].tolist())
        packed, _ = self.lstm(pack_sequence(sequences, enforce_sorted=False))
        padded, n_steps = pad_packed_sequence(packed, batch_first=True)
        is_step = torch.arange(padded.shape[1]) < n_steps[:, None]
        highest = padded.masked_fill(~is_step[..., None], -torch.inf).amax(1)
        mean = (padded * is_step[..., None]).sum(1) / n_steps[:, None]
        summary[is_full] = torch.cat([highest, mean], 1)
        return padded[is_step], summary


def pack(module: torch.nn.Module) -> torch.nn.Module:
    """Copy a module, with branches that pack."""
    packed = deepcopy(module)
    packed.words.__class__ = packed.characters.__class__ = PackedBranch
    return packed


def embed_packed(module: torch.nn.Module, rows: Any) -> np.ndarray:
    """Embed in batches of 256, in the order of the titles."""
    with torch.inference_mode():
        parts = [
            module(rows.take(np.arange(start, min(start + PEER_BATCH, len(rows)))))
            for start in range(0, len(rows), PEER_BATCH)
        ]
    return torch.cat(parts).numpy()


class Texts(_Rows):
    """The distinct titles of a file, tokenised."""

    def __init__(self, embedder: LSTMTitleEmbedder, titles: Any) -> None:
        texts, self.text_of_row = distinct(titles)
        super().__init__(embedder._read(texts), np.arange(len(texts)))

    def __len__(self) -> int:
        return len(self.rows)


def fastest(
    *calls: Callable[[], Any], n_turns: int = 3
) -> tuple[list[float], list[Any]]:
    """Return the shortest time of each call, and its last result."""
    seconds, results = [np.inf] * len(calls), [None] * len(calls)
    for _ in range(n_turns):
        for number, call in enumerate(calls):
            began = time.perf_counter()
            results[number] = call()
            seconds[number] = min(seconds[number], time.perf_counter() - began)
    return seconds, results


def compare_encoding(embedder: LSTMTitleEmbedder, name: str, titles: Any) -> dict:
    """Measure the encoding of titles, from str to vectors, and of the network alone."""
    packed = pack(embedder.module_)
    cpu = torch.device("cpu")
    texts = Texts(embedder, titles)

    def encode_packed() -> np.ndarray:
        texts = Texts(embedder, titles)
        return embed_packed(packed, texts)[texts.text_of_row]

    (ours, peer, our_network, peer_network), (vectors, expected, *_) = fastest(
        lambda: embedder.transform(titles),
        encode_packed,
        lambda: embed(embedder.module_, texts, len(texts), cpu),
        lambda: embed_packed(packed, texts),
    )
    return {
        "titles": name,
        "n": len(titles),
        "distinct": len(texts),
        "titles/s": len(titles) / ours,
        "packed": len(titles) / peer,
        "times": peer / ours,
        "network alone/s": len(texts) / our_network,
        "packed alone": len(texts) / peer_network,
        "times alone": peer_network / our_network,
        "largest difference": float(abs(vectors - expected).max()),
    }


def compare_training(embedder: LSTMTitleEmbedder, titles: Any, labels: Any) -> dict:
    """Measure forward and backward of a batch of the default size."""
    texts = Texts(embedder, titles)
    generator = torch.Generator().manual_seed(0)
    rows = next(_class_batches(labels, embedder.batch_size, generator))
    batch = texts.text_of_row[rows]
    module = deepcopy(embedder.module_).train()
    packed = pack(embedder.module_).train()

    def step(module: torch.nn.Module, size: int) -> None:
        for start in range(0, len(batch), size):
            embeddings = module(texts.take(batch[start : start + size], generator))
            embeddings[:, 0].sum().backward()

    (ours, peer), _ = fastest(
        lambda: step(module, len(batch)), lambda: step(packed, PEER_BATCH), n_turns=3
    )
    return {
        "n": len(batch),
        "titles/s": len(batch) / ours,
        "packed": len(batch) / peer,
        "times": peer / ours,
    }


def compare_bert(path: str, model: str) -> None:
    """Print the speed of AdapterBertEmbedder against that of sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    titles, labels, others, other_labels = read_split(path)
    few = np.isin(labels, np.unique(labels)[:500])
    embedder = AdapterBertEmbedder(model, n_epochs=1, device="cpu", random_state=0)
    embedder.set_params(batch_size=128)
    embedder.fit(titles[few], labels[few])
    others, other_labels = others[:4000], other_labels[:4000]
    peer = SentenceTransformer(model, device="cpu")
    peer.encode(others[:64].tolist())

    def encode(backend: str, precision: str) -> Callable[[], np.ndarray]:
        def call() -> np.ndarray:
            embedder.set_params(backend=backend, precision=precision)
            return embedder.transform(others)

        embedder.set_params(backend=backend, precision=precision)
        embedder.transform(others[:8])  # compile
        return call

    names = [f"sentence-transformers, batches of {n}" for n in PEER_BATCHES]
    calls: list[Callable[[], Any]] = [
        lambda n=n: peer.encode(others.tolist(), batch_size=n) for n in PEER_BATCHES
    ]
    names += [f"AdapterBertEmbedder, {backend}, {kind}" for backend, kind in PRECISIONS]
    calls += [encode(*pair) for pair in PRECISIONS]
    seconds, results = fastest(*calls, n_turns=1)
    best = min(seconds[: len(PEER_BATCHES)])
    exact = results[len(PEER_BATCHES)]
    rows = []
    for name, cost, vectors in zip(names, seconds, results, strict=True):
        row = {"encoder": name, "titles/s": len(others) / cost, "times": best / cost}
        row["oracle F1"] = tune(vectors, other_labels).best_score_
        if name.startswith("Adapter"):
            row["lowest cosine"] = float((vectors * exact).sum(axis=1).min())
        rows.append(row)
    print(
        f"{torch.get_num_threads()} threads, {len(others)} titles of "
        f"{path.split('/')[-1]}; times: over the best of the peer; lowest cosine: with "
        "float32\n"
    )
    formats = {"titles/s": ",.0f", "times": ".2f", "oracle F1": ".3f"}
    columns = ["encoder", "titles/s", "times", "lowest cosine", "oracle F1"]
    print_table(rows, columns, formats | {"lowest cosine": ".6f"})


def main(path: str) -> None:
    """Print the tables."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    titles = table["title"].to_numpy(dtype=object)
    labels = np.unique(table["label_group"], return_inverse=True)[1]
    is_test = labels >= np.percentile(labels, 80)
    embedder = LSTMTitleEmbedder(n_epochs=1, device="cpu", random_state=0)
    embedder.fit(titles[~is_test], labels[~is_test])
    name = path.split("/")[-1]
    made, _ = make_product_titles(n_products=60_000, random_state=0)
    made = np.array(sorted(set(made.tolist())), dtype=object)
    made = np.random.default_rng(0).permutation(made)
    print(f"{torch.get_num_threads()} threads; packed: batches of {PEER_BATCH}\n")
    print(f"Encoding, by an embedder fitted on {name}\n")
    rows = [
        compare_encoding(embedder, f"{name}, test", titles[is_test]),
        compare_encoding(embedder, name, titles),
        *(
            compare_encoding(embedder, "make_product_titles", made[:n])
            for n in (1_000, 10_000, 100_000)
        ),
    ]
    formats = dict.fromkeys(rows[0], ",.0f") | {"titles": "", "n": ",d"}
    formats |= {"distinct": ",d", "times": ".1f", "times alone": ".1f"}
    formats["largest difference"] = ".0e"
    print_table(rows, list(rows[0]), formats)
    print("\nTraining, forward and backward of one batch of the default size\n")
    step = compare_training(embedder, titles[~is_test], labels[~is_test])
    print_table([step], list(step), formats)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(sys.argv[1])
    elif len(sys.argv) == 3:
        compare_bert(*sys.argv[1:])
    else:
        sys.exit(__doc__)
