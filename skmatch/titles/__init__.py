"""What a title is, and what it is made of.

In: titles as users give them, 1-D or with a field in each column. Out: a str a row, and
from these texts, tokens, word vectors, quantities and model codes.

- ``_validation.py``: what counts as a title, and what raises
- ``_tokens.py``: distinct texts (lower case, single spaces) and their tokens
- ``_escapes.py``: literal escapes of bytes in titles, decoded
- ``_vocabulary.py``: the words and characters of the titles of fit, tokens as indices
- ``_word_vectors.py``: word vectors from a file, an object, a name, or trained here
- ``_gensim_save.py``: a save of KeyedVectors, read without pickle
- ``_quantities.py``: quantities with their units, and model codes
"""

from skmatch.titles._escapes import decode_escapes
from skmatch.titles._quantities import UNITS, find_quantities
from skmatch.titles._tokens import distinct, plain_text, tokenize
from skmatch.titles._validation import check_titles, find_columns
from skmatch.titles._vocabulary import TOKEN_DROPOUT, TitleTokens, Vocabulary
from skmatch.titles._word_vectors import (
    WordVectors,
    open_word_vectors,
    train_word_vectors,
)

__all__ = [
    "TOKEN_DROPOUT",
    "UNITS",
    "TitleTokens",
    "Vocabulary",
    "WordVectors",
    "check_titles",
    "decode_escapes",
    "distinct",
    "find_columns",
    "find_quantities",
    "open_word_vectors",
    "plain_text",
    "tokenize",
    "train_word_vectors",
]
