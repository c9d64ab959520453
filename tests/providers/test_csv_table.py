"""A damaged CSV file costs the damaged row and no other."""

import tracemalloc
from collections.abc import AsyncIterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers import csv_table
from providers.records import NotThisFormat, Rejected

Found = tuple[int, Mapping[str, str]] | Rejected


async def chunked(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def rows(data: bytes, size: int = 7) -> list[Found]:
    return [found async for found in csv_table.rows(chunked(data, size), format_name="list", required=("a", "b"))]


def cells(found: Found) -> tuple[str, ...]:
    assert not isinstance(found, Rejected), found.reason
    return tuple(found[1].values())


def reason(found: Found) -> str:
    assert isinstance(found, Rejected)
    return found.reason


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
async def test_any_line_end_in_any_chunks(end: str, size: int) -> None:
    found = await rows(f"a,b{end}1,2{end}{end}3,4".encode(), size)
    assert found == [(1, {"a": "1", "b": "2"}), (2, {"a": "3", "b": "4"})]


@pytest.mark.parametrize("header", [b"a,b", b"\xef\xbb\xbfa,b", b'\xef\xbb\xbf"a","b"', b" a ,b\t", b"\n \n" + b"a,b"])
async def test_header_is_found_behind_a_byte_order_mark_and_spaces(header: bytes) -> None:
    assert await rows(header + b"\n1,2\n") == [(1, {"a": "1", "b": "2"})]


async def test_each_line_is_decoded_as_what_it_is() -> None:
    found = await rows("a,b\nJosé,1\n".encode() + "José,2\n".encode("latin-1") + b"St. Mary\x92s,3\n\x81x,4\n")
    assert [cells(each)[0] for each in found] == ["José", "José", "St. Mary’s", "\N{REPLACEMENT CHARACTER}x"]


async def test_white_space_in_a_cell_is_tidied_and_a_quoted_newline_is_no_row() -> None:
    found = await rows(b'a,b\n"Winter\r\n Response",  x  y \n3,4\n')
    assert [cells(each) for each in found] == [("Winter Response", "x y"), ("3", "4")]
    assert found[1] == (2, {"a": "3", "b": "4"})


@pytest.mark.parametrize(
    ("row", "read"),
    [
        (b'"1\n1",2', ("1 1", "2")),
        (b'1,"2\n,3"', ("1", "2 ,3")),
        (b'1,"2\n,""3"""', ("1", '2 ,"3"')),
        (b'1,"2\n\n"', ("1", "2")),
    ],
)
async def test_the_rest_of_a_row_with_a_newline_is_not_taken_for_a_row(row: bytes, read: tuple[str, ...]) -> None:
    found = await rows(b"a,b\n" + row + b"\n3,4\n")
    assert [cells(each) for each in found] == [read, ("3", "4")]


@pytest.mark.parametrize(("line", "columns"), [(b"1", 1), (b"1,2,3", 3), (b'"1,2",3,4', 3)])
async def test_a_row_with_another_number_of_columns(line: bytes, columns: int) -> None:
    found = await rows(b"a,b\n" + line + b"\n3,4\n")
    assert f"has {columns} columns where the header has 2" in reason(found[0])
    assert cells(found[1]) == ("3", "4")


async def test_a_row_of_empty_cells_is_a_row() -> None:
    assert await rows(b"a,b\n,\n") == [(1, {"a": "", "b": ""})]


async def test_a_nul_byte_costs_its_row() -> None:
    found = await rows(b"a,b\n1,\0\n3,4\n")
    assert reason(found[0]).startswith("b holds a NUL byte")
    assert cells(found[1]) == ("3", "4")


@pytest.mark.parametrize("broken", [b'1,"2', b'"1,2'])
async def test_an_unclosed_quote_costs_its_row_and_not_the_rest(broken: bytes) -> None:
    found = await rows(b"a,b\n" + broken + b'\n3,"4"\n5,6\n')
    assert "never closed" in reason(found[0])
    assert [cells(each) for each in found[1:]] == [("3", "4"), ("5", "6")]


async def test_an_unclosed_quote_at_the_end_is_reported() -> None:
    found = await rows(b'a,b\n1,2\n3,"4')
    assert cells(found[0]) == ("1", "2")
    assert "never closed" in reason(found[1])


async def test_a_record_of_too_many_lines_is_given_up() -> None:
    most = csv_table.MAX_RECORD_LINES
    found = await rows(b'a,b\n1,"' + b"x\n" * (most - 1) + b'"\n1,"' + b"x\n" * (most + 1) + b"3,4\n")
    assert cells(found[0]) == ("1", "x " * (most - 2) + "x")
    assert "longer than" in reason(found[1])
    assert cells(found[2]) == ("3", "4")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1000, 1_000_000])
async def test_an_endless_line_is_given_up_and_the_next_is_read(size: int, end: bytes) -> None:
    longest = csv_table.MAX_RECORD_CHARACTERS
    fits = b"1," + b"x" * (longest - 2 - len(end)) + end
    found = await rows(b"a,b" + end + fits + b"1," + b"x" * 9 * longest + end + b"3,4" + end, size)
    assert len(cells(found[0])[1]) == longest - 2 - len(end)
    assert "longer than" in reason(found[1])
    assert cells(found[2]) == ("3", "4")


async def test_an_endless_line_is_not_kept() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"a,b\n1,"
        for _ in range(64):
            yield b"x" * 2**20

    tracemalloc.start()
    found = [each async for each in csv_table.rows(endless(), format_name="list", required=("a", "b"))]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [reason(each)[:20] for each in found] == ["This row is longer t"]
    assert peak < 8 * 2**20


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty"),
        (b"\n\n \n", "The file is empty"),
        (b"\xef\xbb\xbf", "The file is empty"),
        (b"a,c\n1,2\n", "its header lacks b"),
        (b"a;b\n1;2\n", "its header lacks a, b"),
        (b"a,b,a\n1,2,3\n", "names a more than once"),
        (b'a,"b\n', "its header cannot be read"),
        (b"PK\x03\x04\x14\0", "an Excel workbook"),
        ("\ufeffa,b\n1,2\n".encode("utf-16-le"), "UTF-16"),
        ("\ufeffa,b\n1,2\n".encode("utf-16-be"), "UTF-16"),
    ],
)
async def test_another_kind_of_file_is_refused_whole(data: bytes, sentence: str) -> None:
    with pytest.raises(NotThisFormat, match=sentence):
        await rows(data)


async def test_a_column_nobody_requires_may_come_twice() -> None:
    assert cells((await rows(b"a,b,c,c\n1,2,3,4\n"))[0]) == ("1", "2", "4")


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"1", b",", b'"', b"\n", b"\r", b"\0", b"\xe9", b"x,y\n"]), max_size=30),
    st.integers(1, 9),
)
async def test_how_the_bytes_were_cut_changes_nothing(pieces: list[bytes], size: int) -> None:
    data = b"a,b\n" + b"".join(pieces)
    assert await rows(data, size) == await rows(data, len(data))
