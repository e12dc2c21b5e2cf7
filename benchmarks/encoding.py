"""Speed of the embedders: titles encoded and trained on per second.

    python benchmarks/encoding.py DATA.csv
    python benchmarks/encoding.py DATA.csv --model MODEL

The peer of LSTMTitleEmbedder is the same network with the same weights, fed the usual
way: batches of 256 distinct titles in the order of the file, packed by
``torch.nn.utils.rnn.pack_sequence``; "network alone" leaves out the reading of the
titles. With MODEL, the folder of a BERT-family model such as all-MiniLM-L6-v2,
AdapterBertEmbedder, of which the adapters have seen a few batches, encodes 4,000 titles
against ``SentenceTransformer.encode`` at its best batch size; "lowest cosine" is that
with float32. Each figure is the best of a few turns, taken in one run and in
alternation.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import (
    Split,
    add_split_options,
    describe_split,
    fastest,
    make_parser,
    make_table,
    read_split,
    save_result,
    tune,
)
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from skmatch import AdapterBertEmbedder, LSTMTitleEmbedder, make_product_titles

MEASURES = ("skmatch/titles", "skmatch/embedders")
PEER_BATCH = 256
PEER_BATCHES = (16, 32)  # of sentence-transformers
PRECISIONS = (
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
)
ENCODING_COLUMNS = {
    "titles": "",
    "n": ",d",
    "distinct": ",d",
    "titles/s": ",.0f",
    "packed": ",.0f",
    "times": ".1f",
    "network alone/s": ",.0f",
    "packed alone": ",.0f",
    "times alone": ".1f",
    "largest difference": ".0e",
}
TRAINING_COLUMNS = {"n": ",d", "titles/s": ",.0f", "packed": ",.0f", "times": ".1f"}
BERT_COLUMNS = {
    "encoder": "",
    "titles/s": ",.0f",
    "times": ".2f",
    "lowest cosine": ".6f",
    "oracle F1": ".3f",
}


def make_peer(embedder: LSTMTitleEmbedder) -> LSTMTitleEmbedder:
    """Copy a fitted embedder, with LSTMs that read packed sequences."""
    peer = deepcopy(embedder)

    class Packed(type(peer.module_.words)):  # type: ignore[misc]
        def forward(self, items: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
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

    peer.module_.words.__class__ = peer.module_.characters.__class__ = Packed
    return peer


def encode_in_order(embedder: LSTMTitleEmbedder, titles: Any) -> np.ndarray:
    """Embed in batches of 256, in the order of the titles."""
    starts = range(0, len(titles), PEER_BATCH)
    parts = [embedder.transform(titles[start : start + PEER_BATCH]) for start in starts]
    return np.concatenate(parts)


def catch_batches(
    embedder: LSTMTitleEmbedder, encode: Callable[[], Any]
) -> list[tuple[Tensor, ...]]:
    """Return the batches that the network of an embedder gets while it encodes."""
    batches = []
    handle = embedder.module_.register_forward_pre_hook(
        lambda module, inputs: batches.append(inputs[0])
    )
    encode()
    handle.remove()
    # Those made in inference mode may not be trained on, their copies may.
    return [type(batch)(*(part.clone() for part in batch)) for batch in batches]


def run(module: nn.Module, batches: list[Any]) -> None:
    """Embed batches that are read already."""
    with torch.inference_mode():
        for batch in batches:
            module(batch)


def step(module: nn.Module, batches: list[Any]) -> None:
    """Pass batches through a module, forward and backward."""
    for batch in batches:
        module(batch)[:, 0].sum().backward()


def compare_encoding(embedder: LSTMTitleEmbedder, name: str, titles: Any) -> dict:
    """Measure the encoding of titles, from str to vectors, and of the network alone."""
    peer = make_peer(embedder)
    # As the embedder does: equal titles but for case and spaces are encoded once.
    plain = [" ".join(title.lower().split()) for title in titles]
    _, first, inverse = np.unique(plain, return_index=True, return_inverse=True)
    in_order = np.sort(first)
    distinct = titles[in_order]
    row_of_title = np.searchsorted(in_order, first)[inverse]
    batches = catch_batches(embedder, lambda: embedder.transform(titles))
    packed = catch_batches(peer, lambda: encode_in_order(peer, distinct))
    (ours, theirs, our_network, their_network), (embeddings, expected, *_) = fastest(
        lambda: embedder.transform(titles),
        lambda: encode_in_order(peer, distinct)[row_of_title],
        lambda: run(embedder.module_, batches),
        lambda: run(peer.module_, packed),
    )
    return {
        "titles": name,
        "n": len(titles),
        "distinct": len(distinct),
        "titles/s": len(titles) / ours,
        "packed": len(titles) / theirs,
        "times": theirs / ours,
        "network alone/s": len(distinct) / our_network,
        "packed alone": len(distinct) / their_network,
        "times alone": their_network / our_network,
        "largest difference": float(abs(embeddings - expected).max()),
    }


def compare_training(embedder: LSTMTitleEmbedder, titles: Any) -> dict:
    """Measure forward and backward of as many titles as a batch has by default."""
    rng = np.random.default_rng(0)
    n_titles = min(embedder.batch_size, len(titles))
    drawn = titles[rng.choice(len(titles), n_titles, replace=False)]
    peer = make_peer(embedder)
    batches = catch_batches(embedder, lambda: embedder.transform(drawn))
    packed = catch_batches(peer, lambda: encode_in_order(peer, drawn))
    module = deepcopy(embedder.module_).train()
    (ours, theirs), _ = fastest(
        lambda: step(module, batches), lambda: step(peer.module_.train(), packed)
    )
    row = {"n": n_titles, "titles/s": n_titles / ours, "packed": n_titles / theirs}
    return row | {"times": theirs / ours}


def compare_bert(split: Split, model: str) -> list[dict[str, Any]]:
    """Measure AdapterBertEmbedder against sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    few = np.isin(split.labels, np.unique(split.labels)[:500])
    embedder = AdapterBertEmbedder(model, n_epochs=1, device="cpu", random_state=0)
    embedder.set_params(batch_size=128)
    embedder.fit(split.titles[few], split.labels[few])
    titles, labels = split.test_titles[:4000], split.test_labels[:4000]
    peer = SentenceTransformer(model, device="cpu")
    peer.encode(titles[:64].tolist())

    def encode(backend: str, precision: str) -> Callable[[], np.ndarray]:
        def call() -> np.ndarray:
            embedder.set_params(backend=backend, precision=precision)
            return embedder.transform(titles)

        embedder.set_params(backend=backend, precision=precision)
        embedder.transform(titles[:8])  # compile
        return call

    names = [f"sentence-transformers, batches of {n}" for n in PEER_BATCHES]
    calls: list[Callable[[], Any]] = [
        lambda n=n: peer.encode(titles.tolist(), batch_size=n) for n in PEER_BATCHES
    ]
    names += [f"AdapterBertEmbedder, {backend}, {kind}" for backend, kind in PRECISIONS]
    calls += [encode(*pair) for pair in PRECISIONS]
    seconds, results = fastest(*calls, n_turns=1)
    best = min(seconds[: len(PEER_BATCHES)])
    exact = results[len(PEER_BATCHES)]
    rows = []
    for name, cost, embeddings in zip(names, seconds, results, strict=True):
        row = {"encoder": name, "titles/s": len(titles) / cost, "times": best / cost}
        row["oracle F1"] = tune(embeddings, labels).best_score_
        if name.startswith("Adapter"):
            row["lowest cosine"] = float((embeddings * exact).sum(axis=1).min())
        rows.append(row)
    return rows


def main(args: Namespace) -> None:
    """Measure one kind of embedder."""
    split = read_split(args.data, args.ids, args.shuffle_products)
    name = Path(args.data).name
    if args.model is not None:
        table = make_table(
            f"{len(split.test_titles[:4000]):,} titles of the test gallery of {name}; "
            f"{split.ids}",
            compare_bert(split, args.model),
            BERT_COLUMNS,
        )
        model = Path(args.model).name
        note = f"MODEL is {model}."
        save_result(args, f"{Path(args.data).stem}-{model}", [table], [note])
        return
    embedder = LSTMTitleEmbedder(n_epochs=1, device="cpu", random_state=0)
    embedder.fit(split.titles, split.labels)
    made, _ = make_product_titles(max(args.made) * 3 // 5, random_state=0)
    made = np.array(sorted(set(made.tolist())), dtype=object)
    made = np.random.default_rng(0).permutation(made)
    every = np.concatenate([split.titles, split.test_titles])
    rows = [
        compare_encoding(embedder, f"{name}, test", split.test_titles),
        compare_encoding(embedder, name, every),
        *(
            compare_encoding(embedder, "make_product_titles", made[:n])
            for n in args.made
        ),
    ]
    tables = [
        make_table(
            f"Encoding, by an embedder fitted on {describe_split(args.data, split)}",
            rows,
            ENCODING_COLUMNS,
        ),
        make_table(
            "Training, forward and backward of one batch of the default size",
            [compare_training(embedder, split.titles)],
            TRAINING_COLUMNS,
        ),
    ]
    save_result(args, Path(args.data).stem, tables)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("data", metavar="DATA.csv", help="columns title, label_group")
    parser.add_argument("--model", help="folder of a BERT-family model")
    parser.add_argument(
        "--made",
        metavar="N_TITLES",
        type=int,
        nargs="+",
        default=[1_000, 10_000, 100_000],
        help="numbers of titles of make_product_titles to encode as well",
    )
    add_split_options(parser)
    main(parser.parse_args())
