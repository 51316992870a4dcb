"""Corpora that attack their reader: names, types of columns, errors for a terminal."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gllmm_jax import corpus
from gllmm_jax.corpus import table
from gllmm_jax.corpus.cluster import reason


@pytest.mark.parametrize("name", ["../b.txt", "sub/../../b.txt", "/etc/passwd"])
def test_no_name_leaves_its_place(place, name):
    for call in (place.read, place.remove, lambda name: place.write(name, b"")):
        with pytest.raises(ValueError, match=f"{name} does not lie in"):
            call(name)
    with pytest.raises(ValueError, match=f"{name} does not lie in"), place.opened(name):
        pass


class Pickled(pa.ExtensionType):
    """A type whose values do something once they are read, as those of Ray's type of pickles do."""

    def __init__(self):
        super().__init__(pa.binary(), "tests.pickled")

    def __arrow_ext_serialize__(self):
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type, serialized):
        return cls()

    def __arrow_ext_scalar_class__(self):
        return Ran


class Ran(pa.ExtensionScalar):
    """A value of it."""

    def as_py(self, **_):
        raise SystemExit("the file ran code")


@pytest.fixture
def pickled():
    """A column of that type, which is registered meanwhile."""
    pa.register_extension_type(Pickled())
    yield pa.ExtensionArray.from_storage(Pickled(), pa.array([b""], pa.binary()))
    pa.unregister_extension_type("tests.pickled")


def write_table(place, name, columns, **options):
    stream = io.BytesIO()
    pq.write_table(pa.table(columns, **options), stream)
    place.write(name, stream.getvalue())


@pytest.mark.parametrize("column", ["name", "error", "data", "width"])
def test_rows_that_run_code_are_damaged(place, pickled, column):
    good = table.batch([table.row("a")])
    columns = dict(zip(good.column_names, good.columns, strict=True))
    write_table(place, "rows/1.parquet", columns | {column: pickled})
    write_table(place, "rows/2.parquet", [*good.columns, pickled], names=[*columns, column])
    assert table.rows(place) == ([], ["rows/1.parquet", "rows/2.parquet"])
    place.remove("rows/2.parquet")
    write_table(place, "rows/1.parquet", columns | {f"{column}.part": pickled, "other": pickled})
    assert [one["name"] for one in table.rows(place)[0]] == ["a"]


@pytest.mark.parametrize("name", ["\t.a.parquet", "a\n.parquet", "a?.parquet"])
def test_files_that_ray_would_read_another_of_are_never_given_to_it(place, name, tmp_path):
    write_table(place, name, {"name": pa.array(["a.png"]), "bytes": pa.array([b""], pa.binary())})
    with pytest.raises(ValueError, match="at which Ray would cut it"):
        corpus.compress(place.address, tmp_path / "packed", into_rows=True)
    write_table(place, f"rows/{name}", table.batch([table.row("a")]))
    assert table.rows(place) == ([], [f"rows/{name}"])


@pytest.mark.parametrize("column", ["name", "error", "bytes", "bpp"])
def test_rows_without_a_value_are_damaged(place, column):
    rows = table.batch([table.row("a")]).to_pydict() | {column: [None]}
    write_table(place, "rows/1.parquet", {name: pa.array(rows[name], kind) for name, kind in table.FIELDS.items()})
    assert table.rows(place) == ([], ["rows/1.parquet"])


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", "[" * 100_000, '{"model": 3}'])
def test_settings_that_are_damaged_are_told(place, text):
    place.write(table.SETTINGS, text.encode())
    with pytest.raises(ValueError, match=r"settings\.json is damaged$"):
        corpus.verify(place.address)


def test_rows_with_damaged_pages_are_damaged(place):
    write_table(place, "rows/1.parquet", table.batch([table.row("a")]))
    data = bytearray(place.read("rows/1.parquet"))
    data[4:60] = bytes(56)
    place.write("rows/1.parquet", bytes(data))
    assert table.rows(place) == ([], ["rows/1.parquet"])


def test_pictures_that_run_code_are_refused(place, pickled, tmp_path):
    good = {"name": pa.array(["a.png"]), "bytes": pa.array([b""], pa.large_binary())}
    for column, kind in (("name", "string"), ("bytes", "binary")):
        write_table(place, "1.parquet", good | {column: pickled})
        with pytest.raises(ValueError, match=f"column {column} of .* must be of type {kind}, not extension"):
            corpus.compress(place.address, tmp_path / "packed", into_rows=True)
    assert not (tmp_path / "packed").exists()
    write_table(place, "1.parquet", good | {"name.part": pickled, "other": pickled})
    table.check_source(place, ["1.parquet"], ("name", "bytes"))


def test_an_error_of_a_task_is_told_in_a_line():
    class Failed(Exception):
        """As those of Ray: their text is a traceback in colours."""

        cause: Exception | None = None

    error = Failed("\x1b[36mray::Read()\nTraceback")
    error.cause = Failed("\x1b[36mray::Read()")
    error.cause.cause = ValueError("this file has no rows\nit should")
    assert reason(error) == "this file has no rows"
    assert reason(Failed()) == "Failed"
    began = "The actor died because of an error raised in its creation task, \x1b[36mray::Worker()\x1b[39m\n  File x\n"
    assert reason(Failed(f"{began}ValueError: no weights are here\n")) == "ValueError: no weights are here"
