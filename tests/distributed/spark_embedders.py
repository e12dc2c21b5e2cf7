"""What Python workers of Spark import by name."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class Watched(TransformerMixin, BaseEstimator):
    """Embeds by another embedder, and leaves a file in a folder for each call."""

    def __init__(self, embedder, folder, dies=False):
        self.embedder, self.folder, self.dies = embedder, folder, dies

    def fit(self, X, y=None):
        """Take the embedder as it is."""
        return self

    def transform(self, X):
        """Embed, but die in the first call of all, if this one `dies`."""
        is_first = not os.listdir(self.folder)
        Path(self.folder, f"{os.getpid()}-{len(os.listdir(self.folder))}").touch()
        if self.dies and is_first:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.embedder.transform(X)

    def __sklearn_is_fitted__(self):
        return True


class Deadly:
    """A feature of pairs, constant; once there is a file, the next call is the last."""

    def __init__(self, path):
        self.path = path

    def __call__(self, left, right):
        with suppress(FileNotFoundError):
            os.remove(self.path)
            os.kill(os.getpid(), signal.SIGKILL)
        return np.zeros(len(left))
