"""A trained network, compiled by OpenVINO for the CPU."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from threading import Lock, local
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.jit import TracerWarning  # type: ignore[attr-defined]

from skmatch.embedders._backbones import quiet
from skmatch.embedders._networks import TextBatch

NEEDED = "backend='openvino' needs OpenVINO and NNCF: pip install 'skmatch[openvino]'"
# The lowest cosine of an embedding with that of torch in float32.
_LEAST_COSINES = {"float32": 0.9999, "bfloat16": 0.999, "int8": 0.98}
# The largest difference of a probability from that of torch in float32.
_LARGEST_GAPS = {"float32": 0.001, "bfloat16": 0.05, "int8": 0.2}

_compiled: WeakKeyDictionary[nn.Module, dict[tuple[str, int], nn.Module]] = (
    WeakKeyDictionary()
)
_lock = Lock()


def compile_module(
    module: nn.Module, samples: list[TextBatch], precision: str
) -> nn.Module:
    """Compile a module once, and raise if what it says is not what it was.

    `precision` is "float32", "bfloat16" or "int8"; `samples` calibrate int8 (weights
    and activations, after training) and show whether the outputs are the same.
    """
    key = precision, torch.get_num_threads()
    with _lock:
        known = _compiled.setdefault(module, {})
        if key not in known:
            made = _compile(module, samples, *key)
            _check_parity(module, made, samples, precision)
            known[key] = made
        return known[key]


class _Compiled(nn.Module):
    """A compiled network that takes batches as the module did."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self._network = network
        self._of_thread = local()  # a request serves one thread at a time

    def forward(self, batch: TextBatch) -> Tensor:
        """Return B embeddings of unit norm, (B, embedding_dim), or log-odds, (B,)."""
        if not hasattr(self._of_thread, "request"):
            self._of_thread.request = self._network.create_infer_request()
        output = self._of_thread.request.infer([part.numpy() for part in batch])[0]
        computed = torch.from_numpy(output)
        if computed.ndim == 1:
            return computed.clone()  # the request writes into it again
        return nn.functional.normalize(computed, dim=1)


class _OfTwo(nn.Module):
    """A module that takes the parts of a batch one by one."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = module

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self._module(TextBatch(ids, mask))


def _compile(
    module: nn.Module, samples: list[TextBatch], precision: str, n_threads: int
) -> nn.Module:
    """Convert a module, quantise it for int8, and compile it."""
    with _no_telemetry():
        try:
            import nncf
            import openvino
        except ImportError as error:
            raise ImportError(NEEDED) from error
        # Of different content: equal inputs would become one.
        ids, mask = [[5, 6, 7], [5, 6, 0]], [[1, 1, 1], [1, 1, 0]]
        example = torch.tensor(ids), torch.tensor(mask)
        with warnings.catch_warnings(), quiet("transformers"), quiet("nncf"):
            # What the trace fixes does not depend on the titles; parity shows it.
            warnings.simplefilter("ignore", TracerWarning)
            warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit
            model = openvino.convert_model(_OfTwo(module).eval(), example_input=example)
            if precision == "int8":
                with redirect_stdout(io.StringIO()):  # progress bars
                    model = nncf.quantize(
                        model,
                        nncf.Dataset(
                            samples, lambda batch: [part.numpy() for part in batch]
                        ),
                        model_type=nncf.ModelType.TRANSFORMER,
                        subset_size=len(samples),
                    )
    hint = "bf16" if precision == "bfloat16" else "f32"
    settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": n_threads}
    return _Compiled(openvino.Core().compile_model(model, "CPU", settings))


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Keep OpenVINO and NNCF from reporting their use, as they do outside of CI."""
    before = os.environ.get("CI")
    os.environ["CI"] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ["CI"]
        else:
            os.environ["CI"] = before


def _check_parity(
    module: nn.Module, made: nn.Module, samples: list[TextBatch], precision: str
) -> None:
    """Raise if an output differs from that of torch by more than it may."""
    with torch.inference_mode():
        outputs = [(module(batch), made(batch)) for batch in samples]
    expected, found = (torch.cat(side) for side in zip(*outputs, strict=True))
    if expected.ndim == 1:
        gap = float((expected.sigmoid() - found.sigmoid()).abs().max())
        differs = not gap <= _LARGEST_GAPS[precision]  # NaN does, too
        what = f"probabilities that are {gap:.5f} from"
        limit = f"at most {_LARGEST_GAPS[precision]}"
    else:
        lowest = float((expected * found).sum(1).min())
        differs = not lowest >= _LEAST_COSINES[precision]
        what = f"embeddings with a cosine of {lowest:.5f} to"
        limit = f"at least {_LEAST_COSINES[precision]}"
    if differs:
        raise RuntimeError(
            f"OpenVINO in {precision} gives {what} those of torch; expected {limit}. "
            "Use another precision, or backend='torch'."
        )
