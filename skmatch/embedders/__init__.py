"""From titles to embeddings: unit vectors, trained by metric learning.

In: titles and, to train, product labels. Out: float32 (n_titles, embedding_dim), rows
of unit L2 norm; the same product lies near. A cross-encoder, of the same parts, takes
two titles at once instead: the probability that they are the same product comes out.

- ``_lstm.py``, ``_adapter_bert.py``: the embedders; ``_base.py``: what they share
- ``_adapter_bert_pairs.py``: the cross-encoder; ``_language_model.py``: what it shares
  with the embedder on the same language models
- ``_network_estimator.py``: state and training of all of them
- ``_networks.py``: the networks; ``_losses.py``: losses and miners by name
- ``_batches.py``: tokenised titles as batches of tensors
- ``_training.py``: the training loop; ``_validation.py``: the score of an epoch;
  ``_progress.py``: progress bar and log
- ``_backbones.py``: language models, checked before they are read; ``_adapters.py``:
  what is trained in them; ``_weights.py``: trained weights in files
- ``_device.py``: devices and seeds of torch; ``_openvino.py``: a network for the CPU
"""

from skmatch.embedders._adapter_bert import AdapterBertEmbedder
from skmatch.embedders._adapter_bert_pairs import AdapterBertPairClassifier
from skmatch.embedders._language_model import check_language_model
from skmatch.embedders._lstm import LSTMTitleEmbedder

__all__ = [
    "AdapterBertEmbedder",
    "AdapterBertPairClassifier",
    "LSTMTitleEmbedder",
    "check_language_model",
]
