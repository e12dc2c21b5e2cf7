"""From titles to embeddings: unit vectors, trained by metric learning.

In: titles and, to train, product labels. Out: float32 (n_titles, embedding_dim), rows
of unit L2 norm; the same product lies near.

- ``_lstm.py``, ``_adapter_bert.py``: the estimators; ``_base.py``: what they share
- ``_networks.py``: the networks; ``_losses.py``: losses and miners by name
- ``_batches.py``: tokenised titles as batches of tensors
- ``_training.py``: the training loop; ``_validation.py``: the score of an epoch;
  ``_progress.py``: progress bar and log
- ``_backbones.py``: language models, checked before they are read; ``_weights.py``:
  trained weights in files
- ``_device.py``: devices and seeds of torch; ``_openvino.py``: a network for the CPU
"""

from skmatch.embedders._adapter_bert import AdapterBertEmbedder
from skmatch.embedders._lstm import LSTMTitleEmbedder

__all__ = ["AdapterBertEmbedder", "LSTMTitleEmbedder"]
