import gzip
import os
import pickle
import struct
from pathlib import Path

import gensim.downloader
import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors, Word2Vec
from numpy.testing import assert_allclose

from skmatch.titles import _word_vectors, open_word_vectors, train_word_vectors

WORDS = ["red", "mug", "té", "5kg", "x" * 40]


@pytest.fixture
def vectors():
    kept = KeyedVectors(3, count=0)
    values = np.arange(15, dtype=np.float32).reshape(5, 3) / 7 - 1
    kept.add_vectors(WORDS, values)
    return kept


def write(vectors, folder, kind):
    """Write vectors in one of the forms in which people keep them."""
    path = folder / f"vectors.{kind}"
    if kind == "txt":
        vectors.save_word2vec_format(path)
    elif kind == "bin":
        vectors.save_word2vec_format(path, binary=True)
    elif kind == "bin.newlines":  # as the tool of the word2vec authors writes them
        lines = [
            word.encode() + b" " + struct.pack("<3f", *vectors[word]) + b"\n"
            for word in WORDS
        ]
        path.write_bytes(b"5 3\n" + b"".join(lines))
    elif kind == "glove":
        vectors.save_word2vec_format(path, write_header=False)
    elif kind == "txt.gz":
        vectors.save_word2vec_format(path)
    elif kind == "bin.gz":
        vectors.save_word2vec_format(path, binary=True)
    elif kind == "save":
        vectors.save(str(path))
    elif kind == "save.large":
        vectors.save(str(path), sep_limit=1)
    return path


KINDS = [
    "txt",
    "bin",
    "bin.newlines",
    "glove",
    "txt.gz",
    "bin.gz",
    "save",
    "save.large",
]


@pytest.mark.parametrize("kind", KINDS)
def test_reads_every_kind_of_file(vectors, tmp_path, kind):
    opened = open_word_vectors(write(vectors, tmp_path, kind))
    assert opened.vector_size == 3
    found = opened.select(["5kg", "unseen", "té", WORDS[-1], "red"])
    assert set(found) == {"5kg", "té", WORDS[-1], "red"}
    for word, vector in found.items():
        assert vector.dtype == np.float32
        assert_allclose(vector, vectors[word], rtol=1e-6)
    assert opened.select([]) == {}


def test_reads_keyed_vectors_without_a_copy(vectors):
    opened = open_word_vectors(vectors)
    assert_allclose(opened.select(["mug", "none"])["mug"], vectors["mug"])


def test_save_of_the_vectors_of_a_model(tmp_path):
    path = str(tmp_path / "vectors.kv")
    model = Word2Vec([["a", "b"]] * 5, vector_size=4, min_count=1)
    model.wv.save(path)
    assert_allclose(open_word_vectors(path).select(["a"])["a"], model.wv["a"])


def test_save_of_fasttext_has_no_vectors(tmp_path):
    path = str(tmp_path / "vectors.kv")
    FastText([["a", "b"]] * 5, vector_size=4, min_count=1, bucket=10).wv.save(path)
    with pytest.raises(ValueError, match=r"holds no vectors.*save_word2vec_format"):
        open_word_vectors(path)


def test_first_of_two_vectors_of_a_word_counts(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("3 1\na 1\nb 2\na 3\n")
    assert open_word_vectors(path).select(["a"])["a"] == 1


def test_file_without_a_last_newline(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("2 2\na 1 2\nb 3 4")
    assert open_word_vectors(path).select(["b"])["b"].tolist() == [3, 4]


def test_changed_file_is_read_again(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("1 1\na 1\n")
    assert open_word_vectors(path).select(["a"])["a"] == 1
    path.write_text("1 1\na 2\n")
    os.utime(path, ns=(1, 1))
    assert open_word_vectors(path).select(["a"])["a"] == 2


def test_downloader_is_asked_for_a_name(vectors, tmp_path, monkeypatch):
    path = write(vectors, tmp_path, "txt.gz")
    asked = []

    def load(name, return_path):
        assert return_path
        asked.append(name)
        return str(path)

    monkeypatch.setattr(gensim.downloader, "load", load)
    assert "mug" in open_word_vectors("glove-twitter-25").select(["mug"])
    assert asked == ["glove-twitter-25"]


def test_name_that_is_not_downloaded(vectors, tmp_path, monkeypatch):
    monkeypatch.setattr(gensim.downloader, "BASE_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="has not been downloaded"):
        open_word_vectors("tiny-3", download=False)
    folder = tmp_path / "tiny-3"
    folder.mkdir()
    write(vectors, folder, "txt.gz").rename(folder / "tiny-3.gz")
    assert "mug" in open_word_vectors("tiny-3", download=False).select(["mug"])


def test_name_that_the_downloader_does_not_know(monkeypatch):
    def load(name, return_path):
        raise ValueError("Incorrect model/corpus name")

    monkeypatch.setattr(gensim.downloader, "load", load)
    with pytest.raises(
        ValueError, match=r"'nope' is neither a file nor a name .*Incorr"
    ):
        open_word_vectors("nope")


@pytest.mark.parametrize("name", ["no/such/file", "vectors.txt"])
def test_path_that_is_not_there(name):
    with pytest.raises(FileNotFoundError, match=f"{name}': there is no such file"):
        open_word_vectors(name)


def test_value_of_another_type():
    with pytest.raises(ValueError, match="word_vectors=5; expected 'corpus'"):
        open_word_vectors(5)


@pytest.mark.parametrize("content", [b"a page of text\n", b"hello\nworld\n", b"\n\n"])
def test_file_of_something_else(tmp_path, content):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is neither a word2vec file"):
        open_word_vectors(path)


def test_empty_file(tmp_path):
    path = tmp_path / "vectors"
    path.touch()
    with pytest.raises(ValueError, match="vectors' is an empty file"):
        open_word_vectors(path)


def test_broken_vector_is_named(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("2 2\na 1 2\nb 3 oops\n")
    opened = open_word_vectors(path)
    assert opened.select(["a"])["a"].tolist() == [1, 2]
    with pytest.raises(ValueError, match="the vector of 'b' is broken; expected 2"):
        opened.select(["b"])


@pytest.mark.parametrize("kind", ["txt", "bin"])
def test_file_that_is_cut_off(vectors, tmp_path, kind):
    path = write(vectors, tmp_path, kind)
    content = path.read_bytes().rstrip(b"\n")
    path.write_bytes(content[: content.rindex(WORDS[-1].encode())])
    with pytest.raises(ValueError, match=f"cut off: {len(WORDS)} words in its header"):
        open_word_vectors(path)


def test_vectors_that_are_not_finite_are_named(vectors, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("2 2\na 1 nan\nb 3 4\n")
    with pytest.raises(ValueError, match="of 'a' is broken; expected 2 finite"):
        open_word_vectors(path).select(["a", "b"])
    vectors.vectors[vectors.key_to_index["mug"]] = np.inf
    with pytest.raises(ValueError, match="The vector of 'mug' in word_vectors holds"):
        open_word_vectors(vectors).select(["mug"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"2 2\na\t1\t2\nb\t3\t4\n", "is neither a word2vec file"),
        (b"\x80\xc8", "not a save of gensim KeyedVectors: its pickle protocol is 200"),
    ],
)
def test_file_of_another_format(tmp_path, content, message):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        open_word_vectors(path)


def test_path_and_folder_are_no_names_of_the_downloader(tmp_path, monkeypatch):
    monkeypatch.setattr(gensim.downloader, "load", None)
    for source in (Path("missing"), str(tmp_path)):
        with pytest.raises(FileNotFoundError, match="there is no such file"):
            open_word_vectors(source)


def test_save_with_words_that_have_no_vector(tmp_path):
    saved = KeyedVectors(2, count=0)
    saved.add_vectors(["a", "b"], np.ones((2, 2), np.float32))
    saved.key_to_index["b"] = 9
    path = tmp_path / "vectors.kv"
    path.write_bytes(pickle.dumps(saved))
    with pytest.raises(ValueError, match="words without a row among its 2 vectors"):
        open_word_vectors(path)


def test_save_without_the_file_beside_it(vectors, tmp_path):
    path = tmp_path / "vectors.kv"
    vectors.save(str(path), sep_limit=1)
    (tmp_path / "vectors.kv.vectors.npy").unlink()
    with pytest.raises(ValueError, match=r"cannot be read: .*vectors.kv.vectors.npy"):
        open_word_vectors(str(path))


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        (2, "its pickle protocol is 2; expected 4 or 5"),
        (4, r"it refers to (posix|nt)\.system"),
        (5, r"it refers to (posix|nt)\.system"),
    ],
)
def test_save_that_names_code_does_not_run_it(tmp_path, monkeypatch, protocol, message):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "vectors.kv"
    path.write_bytes(pickle.dumps(Bomb(), protocol=protocol))
    with pytest.raises(ValueError, match=message):
        open_word_vectors(path)
    assert not (tmp_path / "exploded").exists()


def test_pickle_of_something_else(tmp_path):
    path = tmp_path / "vectors.kv"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="not a save of gensim KeyedVectors"):
        open_word_vectors(path)
    path.write_bytes(pickle.dumps(KeyedVectors(2))[:-9])
    with pytest.raises(ValueError, match="not a save of gensim KeyedVectors"):
        open_word_vectors(path)


def test_save_of_old_gensim(tmp_path):
    saved = KeyedVectors(2, count=0)
    vars(saved).clear()
    vars(saved)["vocab"] = {}
    path = tmp_path / "old.kv"
    path.write_bytes(pickle.dumps(saved))
    with pytest.raises(ValueError, match="holds no key_to_index"):
        open_word_vectors(path)


def test_gz_that_is_broken(tmp_path):
    path = tmp_path / "vectors.gz"
    path.write_bytes(gzip.compress(b"2 2\na 1 2\nb 3 4\n" * 50)[:-20])
    with pytest.raises(ValueError, match=r"vectors.gz' cannot be read: Compressed"):
        open_word_vectors(path)


def test_file_is_opened_once(vectors, tmp_path, monkeypatch):
    path = write(vectors, tmp_path, "txt")
    first = open_word_vectors(path)
    monkeypatch.setattr(_word_vectors, "_VectorFile", None)
    assert open_word_vectors(path) is first


def test_gz_that_unpacks_to_far_more_than_vectors_would(tmp_path):
    path = tmp_path / "vectors.gz"
    path.write_bytes(gzip.compress(b"2 2\na 1 2\nb 3 4\n" + b"0" * 2**26))
    with pytest.raises(ValueError, match="it unpacks to more than 16777216 bytes"):
        open_word_vectors(path)


@pytest.mark.parametrize(
    "content",
    [
        b"3 2\n",
        b"1 99999999999999999\na 1 2 3 4",
        b"99999999999999999 1\na 1\n",
        b"70000 70000\na \x00\x00\x80?" + bytes(1000),
    ],
)
def test_header_of_more_than_the_file_can_hold(tmp_path, content):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"\d+ bytes cannot hold \d+ vectors of"):
        open_word_vectors(path)


def save_with(array, protocol=4):
    """Pickle KeyedVectors whose vectors are what `array` is when it is read."""
    saved = KeyedVectors(2)
    saved.key_to_index, saved.vectors = {"a": 0, "b": 1}, array
    return pickle.dumps(saved, protocol=protocol)


class Call:
    """Pickled, it is a call, and a state that what it returns shall have."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


FLOAT = (3, "<", None, None, None, -1, -1, 0)
RECONSTRUCT = np.empty(0).__reduce__()[0]
POINTERS = b"A" * 32


def array_of(dtype, data=POINTERS, shape=(2, 2)):
    state = (1, shape, dtype, False, data)
    return Call(RECONSTRUCT, (np.ndarray, (0,), b"b"), state)


@pytest.mark.parametrize(
    "array",
    [
        Call(np.ndarray, ((2, 2), "O", POINTERS)),
        array_of(np.dtype("O")),
        array_of(np.dtype([("x", "O")])),
        # a dtype that says f8, and whose state makes it one of objects
        array_of(Call(np.dtype, ("f8", False, True), (3, "|", None, ("x",),
                 {"x": (np.dtype("O"), 0)}, 8, 1, 63))),
        array_of(Call(np.dtype, ("V8", False, True), FLOAT)),
        array_of(Call(np.dtype, ("f8", False, True), (3, "<", (np.dtype("f4"), (2,)),
                 None, None, -1, -1, 0))),
        array_of(np.dtype("f8"), shape=(2, -2)),
        array_of(np.dtype("f8"), shape=(True, 4)),
        array_of(np.dtype("f8"), shape=(4,)),
        array_of(np.dtype("f8"), data="A" * 32),
        Call(RECONSTRUCT, (np.ndarray, (2, 2), b"O")),
        np.array([["a", "b"]]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("protocol", [4, 5])
def test_array_of_anything_but_numbers_is_refused(tmp_path, array, protocol):
    path = tmp_path / "vectors.kv"
    path.write_bytes(save_with(array, protocol))
    with pytest.raises(ValueError, match=r"holds no vectors|refers to|not a save of"):
        open_word_vectors(path)


@pytest.mark.parametrize("shape", [(2, 3), (2**40, 2**40), (0, 7)])
def test_array_of_another_size_than_its_bytes_is_refused(tmp_path, shape):
    path = tmp_path / "vectors.kv"
    array = array_of(np.dtype("f8"), shape=shape)
    path.write_bytes(save_with(array))
    with pytest.raises(ValueError, match="it has 32 bytes for an array of shape"):
        open_word_vectors(path)


def test_save_that_sets_attributes_of_a_class_is_refused(tmp_path):
    path = tmp_path / "vectors.kv"
    named = b"\x8c\x1agensim.models.keyedvectors\x94\x8c\x0cKeyedVectors\x94\x93"
    state = b"}(\x8c\x0c__setstate__K\x01ub"
    path.write_bytes(b"\x80\x04" + named + state + b".")
    with pytest.raises(ValueError, match="it takes something else for a _Noted"):
        open_word_vectors(path)
    # The same of an object is an attribute like any other, and is not looked at.
    path.write_bytes(b"\x80\x04" + named + b")\x81" + state + b".")
    with pytest.raises(ValueError, match="holds no key_to_index"):
        open_word_vectors(path)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (b"cos\nsystem\n", "instruction 'c'"),
        (b"J\x01", "cut off or broken"),
        (b"\x8e" + b"\xff" * 8, "cut off or broken"),
        (b"r\xff\xff\xff\xff", "instruction 'r'"),
        (b"h\x05", "cut off or broken"),
        (b"Nt", "cut off or broken"),
        (b"}K\x01)\x85Ns", None),
        (b"})Ns", "keys that are neither str nor int"),
        (b"}NNb", "something else for a _Noted"),
        (b"N", "cut off or broken"),
        (b"N.", "it holds something else"),
    ],
)
def test_program_that_gensim_does_not_write(tmp_path, program, message):
    path = tmp_path / "vectors.kv"
    path.write_bytes(b"\x80\x04" + program)
    with pytest.raises(ValueError, match=f"is not a save of .*{message or ''}"):
        open_word_vectors(path)


def test_every_beginning_of_a_save_is_refused(vectors, tmp_path):
    path = write(vectors, tmp_path, "save")
    content = path.read_bytes()
    for length in range(2, len(content)):
        path.write_bytes(content[:length])
        os.utime(path, ns=(length, length))
        with pytest.raises(ValueError, match="is not a save of gensim KeyedVectors"):
            open_word_vectors(path)


@pytest.mark.parametrize("protocol", [4, 5])
def test_saves_of_both_protocols(vectors, tmp_path, protocol):
    path = tmp_path / "vectors.kv"
    for dtype in ("<f4", ">f8", "<f2"):
        vectors.vectors = np.asfortranarray(vectors.vectors.astype(dtype))
        path.write_bytes(pickle.dumps(vectors, protocol=protocol))
        os.utime(path, ns=(1, ord(dtype[2])))
        found = open_word_vectors(path).select(["mug"])["mug"]
        assert_allclose(found, vectors.vectors[1], rtol=1e-6)


@pytest.mark.parametrize(
    "array",
    [
        np.array([["a", "b"]] * 5, dtype=object),
        np.array([["a", "b"]] * 5),
        np.zeros(5, dtype="f4"),
        np.zeros((5, 2), dtype="M8[s]"),
        np.zeros((5, 2), dtype=[("x", "f4")]),
    ],
)
def test_file_beside_a_save_holds_numbers_alone(vectors, tmp_path, array):
    path = write(vectors, tmp_path, "save.large")
    np.save(f"{path}.vectors.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=r"vectors.npy holds .*; expected vectors"):
        open_word_vectors(path)


def test_file_beside_a_save_has_the_size_of_its_header(vectors, tmp_path):
    path = write(vectors, tmp_path, "save.large")
    beside = Path(f"{path}.vectors.npy")
    content = beside.read_bytes()
    for altered in (content[:-4], content + b"1234",
                    content.replace(b"(5, 3), ", b"(10**9,)")):  # fmt: skip
        beside.write_bytes(altered)
        with pytest.raises(ValueError, match=r"is not a save of gensim KeyedVectors"):
            open_word_vectors(path)


def test_trained_vectors_follow_the_seed():
    sentences = [["red", "mug", "rare"], ["red", "mug"]] * 6
    once, again, other = (train_word_vectors(sentences, seed) for seed in (0, 0, 1))
    assert set(once) == {"red", "mug", "rare"}
    assert_allclose(once["red"], again["red"], rtol=0)
    assert not np.allclose(once["red"], other["red"])


def test_no_word_is_frequent_enough():
    assert train_word_vectors([["red"], ["mug"]], seed=0) == {}
