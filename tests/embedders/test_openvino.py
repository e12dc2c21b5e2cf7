"""The same embeddings by OpenVINO, or an error."""

import os
import pickle
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmatch import AdapterBertEmbedder
from skmatch.embedders import _openvino as compiled

openvino = pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def tuned(bert_folder, listings):
    embedder = AdapterBertEmbedder(
        str(bert_folder), reduction_factor=4, embedding_dim=8, n_epochs=1
    )
    embedder.set_params(batch_size=32, random_state=0, precision="float32")
    return embedder.fit(*listings)


@pytest.fixture
def copy(tuned):
    return pickle.loads(pickle.dumps(tuned)).set_params(backend="openvino")


@pytest.mark.parametrize(
    ("precision", "least"), [("float32", 0.999999), ("bfloat16", 0.99), ("int8", 0.8)]
)
def test_cosines_with_torch(tuned, copy, listings, precision, least, monkeypatch):
    # so narrow a network loses more than a real one
    bounds = {"float32": 0.9999, "bfloat16": 0.99, "int8": 0.8}
    monkeypatch.setattr(compiled, "_LEAST_COSINES", bounds)
    titles = [*listings[0], "", "paper bag 20 cm"]
    expected = tuned.transform(titles)
    embeddings = copy.set_params(precision=precision).transform(titles)
    assert embeddings.dtype == np.float32
    assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    cosines = (embeddings * expected).sum(axis=1)
    assert cosines.min() > least
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if {"bfloat16": "BF16", "int8": "INT8"}.get(precision) in capabilities:
        assert cosines.min() < 1 - 1e-6  # it is another computation
    before = pickle.dumps(copy)
    assert_allclose(copy.transform(titles), embeddings, atol=1e-6)
    assert pickle.dumps(copy) == before


def test_network_is_compiled_once(copy, listings, monkeypatch):
    calls = []

    def compile_module(*args):
        calls.append(args[2:])
        return compile_once(*args)

    compile_once = compiled._compile
    monkeypatch.setattr(compiled, "_compile", compile_module)
    for _ in range(3):
        copy.transform(listings[0][:5])
    assert len(calls) == 1


def test_titles_of_the_calibration_are_saved(copy, listings, tmp_path):
    copy.save(tmp_path)
    again = AdapterBertEmbedder.load(tmp_path)
    assert again.backend == "openvino"
    assert again._calibration_ == copy._calibration_
    assert 0 < len(again._calibration_) <= 300
    assert_allclose(
        again.transform(listings[0]), copy.transform(listings[0]), atol=1e-6
    )


@pytest.mark.parametrize("before", [None, "false"])
def test_use_is_not_reported(copy, listings, monkeypatch, before):
    from openvino_telemetry import Telemetry

    monkeypatch.delenv("CI", raising=False)
    if before is not None:
        monkeypatch.setenv("CI", before)
    copy.transform(listings[0][:5])
    assert os.environ.get("CI") == before
    assert not Telemetry().consent


def test_embeddings_that_are_not_the_same(copy, listings, monkeypatch):
    monkeypatch.setitem(compiled._LEAST_COSINES, "float32", 1.1)
    with pytest.raises(RuntimeError, match=r"float32 gives embeddings with a cosine"):
        copy.transform(listings[0][:5])


def test_int8_needs_the_backend(copy, listings):
    copy.set_params(backend="torch", precision="int8")
    with pytest.raises(ValueError, match="precision='int8' with backend='torch'"):
        copy.transform(listings[0][:5])
    with pytest.raises(ValueError, match="backend='onnx'; expected one of"):
        copy.set_params(backend="onnx").transform(listings[0][:5])


def test_without_the_extra(copy, listings, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ImportError, match=r"pip install 'skmatch\[openvino\]'"):
        copy.transform(listings[0][:5])
