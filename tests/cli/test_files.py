"""Tables in files: the same in each format, whole or not at all."""

import gzip
import io
import os
import stat
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skmatch.cli._files import check_output, read_columns, write_table

TABLE = pa.table(
    {
        "id": ["001", "2"],
        "title": ['Tea "20" g, black\nnew', "Té ☕"],
        "score": pa.array([0.1, 1.0], pa.float32()),
        "rank": [1, 2],
    }
)
TEXT = ["csv", "tsv", "jsonl", "ndjson"]
NAMES = [*TEXT, *(f"{suffix}.gz" for suffix in TEXT), "parquet", "CSV"]


@pytest.mark.parametrize("suffix", NAMES)
def test_what_is_written_is_read(tmp_path, suffix):
    path = str(tmp_path / f"table.{suffix}")
    write_table(path, TABLE)
    columns = read_columns(path, ["title", "id", "title"])
    assert [*columns] == ["title", "id"]
    for name, column in columns.items():
        assert column.to_pylist() == TABLE[name].to_pylist()
    assert [*read_columns(path)] == TABLE.column_names
    assert os.listdir(tmp_path) == [f"table.{suffix}"]


def test_text_in_files(tmp_path):
    write_table(str(tmp_path / "t.csv"), TABLE)
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == (
        'id,title,score,rank\n001,"Tea ""20"" g, black\nnew",0.1,1\n2,Té ☕,1.0,2\n'
    )
    write_table(str(tmp_path / "t.jsonl.gz"), TABLE)
    with gzip.open(tmp_path / "t.jsonl.gz", "rt", encoding="utf-8") as file:
        assert [*file][1] == '{"id": "2", "title": "Té ☕", "score": 1.0, "rank": 2}\n'


def test_stdin_and_stdout(monkeypatch, capsys):
    text = "\ufefftitle,id\ntea,1\n\nmug,2\n"  # as Excel begins a file
    stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    columns = read_columns("-", ["title"])
    assert columns["title"].to_pylist() == ["tea", "mug"]
    write_table("-", pa.table(columns))
    assert capsys.readouterr().out == "title\ntea\nmug\n"


def test_missing_values(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1}\n{"b": "x"}\n{"a": null}\n', encoding="utf-8")
    columns = read_columns(str(path), ["a", "b"])
    assert columns["a"].to_pylist() == [1, None, None]
    assert columns["b"].to_pylist() == [None, "x", None]


WRONG = {
    "t.csv": [
        (b"a,b\n1\n", r"t\.csv: line 2 has 1 fields; expected 2"),
        (b"a,a\n1,2\n", "more than one column 'a'"),
        (b"", "no column 'a'; it has "),
        (b'a\n"x\n', r"t\.csv cannot be read: line 2: unexpected end"),
        (b'a\nx\n"y"z\n', r"t\.csv cannot be read: line 3: ',' expected after"),
        (b"a\n\xff\n", r"t\.csv cannot be read: .*utf-8"),
    ],
    "t.csv.gz": [
        (b"a\n1\n", r"t\.csv\.gz cannot be read: Not a gzipped file"),
        (
            gzip.compress(b"a\n1\n" * 99, mtime=0)[:-9],
            r"gz cannot be read: .*ended before",
        ),
    ],
    "t.jsonl": [
        (b'{"a": 1}\n{\n', r"t\.jsonl: line 2 is no JSON: "),
        (b"[1]\n", "line 1 is no JSON object"),
        (b'{"b": 1}\n', r"no column 'a'; it has \['b'\]"),
        (b'{"a": 1}\n{"a": "x"}\n', r"t\.jsonl cannot be read: "),
    ],
    "t.parquet": [(b"PAR1", r"t\.parquet cannot be read: ")],
}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [(name, *case) for name, cases in WRONG.items() for case in cases],
)
def test_files_that_are_wrong(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_columns(str(path), ["a"])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"x\.csv cannot be read: No such file"):
        read_columns(str(tmp_path / "x.csv"), ["a"])


def test_a_parquet_file_without_the_column(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(TABLE, path)
    with pytest.raises(ValueError, match="no column 'name'; it has "):
        read_columns(str(path), ["name"])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("x.xlsx", r"x\.xlsx: expected a name that ends with \.csv, \.tsv, "),
        ("x.parquet.gz", "expected a name that ends with .*, and .gz"),
        ("nowhere/x.csv", "is in no folder"),
        ("/dev/null.csv", None),
    ],
)
def test_outputs_that_cannot_be(path, message):
    if message is None:
        check_output(path)
        return
    with pytest.raises(ValueError, match=message):
        check_output(path)


def test_an_output_that_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ValueError, match="is no file that can be replaced"):
        check_output(str(tmp_path / "pipe.csv"))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        check_output(str(tmp_path / "folder.csv"))


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("before")
    with pytest.raises(TypeError):
        write_table(str(path), pa.table({"a": [b"no JSON"]}))
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["t.jsonl"]


def test_others_may_read_what_others_could(tmp_path):
    path = tmp_path / "t.csv"
    before = os.umask(0o022)
    try:
        write_table(str(path), TABLE)
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        path.chmod(0o600)
        write_table(str(path), TABLE)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)
