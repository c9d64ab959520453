"""Bytes of a CSV file, however damaged, into its data rows by column name."""

import csv
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping

from providers.records import NotThisFormat, Rejected

# A row of the files we know is some 300 characters on one line. The bounds keep one unclosed quote from
# swallowing the file, and reading a record again for each line it gains from growing expensive.
MAX_RECORD_CHARACTERS = 32_768
MAX_RECORD_LINES = 50

_UNCLOSED = "A quotation mark is opened in this row and never closed; close it, or double it if it is text."
_TOO_LONG = (
    f"This row is longer than {MAX_RECORD_CHARACTERS:,} characters or {MAX_RECORD_LINES} lines: "
    "look for a quotation mark that is opened and never closed."
)
_NOT_CSV = {
    b"PK\x03\x04": "an Excel workbook",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


async def rows(
    chunks: AsyncIterator[bytes], *, format_name: str, required: Collection[str]
) -> AsyncIterator[tuple[int, Mapping[str, str]] | Rejected]:
    """Each data row as its number (from 1, blank lines not counted) and its cells by column name.

    Every run of white space in a cell is made one space. Raises `NotThisFormat`, before the first row, when
    the header lacks a column in `required` or names it twice.
    """
    header: list[str] = []
    row = 0
    async for record in _records(chunks):
        if not header:
            header = _header(record, format_name, required)
            continue
        row += 1
        if isinstance(record, str):
            yield Rejected(row, record)
        elif len(record) != len(header):
            yield Rejected(
                row,
                f"This row has {len(record)} columns where the header has {len(header)}: "
                "look for a stray or missing comma or quotation mark.",
            )
        elif damaged := [name for name, cell in zip(header, record, strict=True) if "\0" in cell]:
            # Dropping the byte would publish a guess at what was there, and PostgreSQL cannot store it.
            yield Rejected(row, f"{damaged[0]} holds a NUL byte, a sign of a damaged file: export the file again.")
        else:
            yield row, {name: _tidy(cell) for name, cell in zip(header, record, strict=True)}
    if not header:
        raise NotThisFormat(f"The file is empty; a {format_name} was expected.")


def _header(record: list[str] | str, format_name: str, required: Collection[str]) -> list[str]:
    if isinstance(record, str):
        raise NotThisFormat(f"This is not a {format_name}: its header cannot be read. {record}")
    header = [_tidy(name) for name in record]
    if missing := [name for name in required if name not in header]:
        raise NotThisFormat(f"This is not a {format_name}: its header lacks {', '.join(missing)}.")
    if doubled := [name for name, times in Counter(header).items() if times > 1 and name in required]:
        raise NotThisFormat(f"The header names {', '.join(doubled)} more than once, so which one counts is not clear.")
    return header


async def _records(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[str] | str]:
    """The cells of each record, the header's included, or a sentence on what is wrong with it."""
    held, lines, width = "", 0, 0
    async for line in _lines(chunks):
        if held and _begins_a_record(line, width):
            yield _UNCLOSED
            held, lines = "", 0
        held, lines = held + line, lines + 1
        if len(held) > MAX_RECORD_CHARACTERS or lines > MAX_RECORD_LINES:
            yield _TOO_LONG
        elif (cells := _cells(held)) is None:
            continue
        elif len(cells) > 1 or "".join(cells).strip():
            width = width or len(cells)
            yield cells
        held, lines = "", 0
    if held:
        yield _UNCLOSED


def _cells(text: str) -> list[str] | None:
    """The cells of one record (none for a blank line), or None while a quotation mark is still open."""
    reader = csv.reader([text, ""])
    cells = next(reader)
    # The reader asks for a second line only when the first leaves it inside quotes.
    return None if reader.line_num > 1 else cells


def _begins_a_record(line: str, width: int) -> bool:
    """Whether a line that came inside an open quote is a whole row, so the quote before it was never closed.

    The rest of a row whose cell really spans lines has that cell's closing quote besides pairs, and nearly
    always fewer columns than the header.
    """
    cells = _cells(line)
    return cells is not None and len(cells) == width and line.count('"') % 2 == 0


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Decoded lines with their ends, whether LF, CRLF or CR; of one too long only as much as shows that."""
    # Four bytes a character at most, and one character more than a record may have.
    most = 4 * (MAX_RECORD_CHARACTERS + 1)
    pending, first = bytearray(), True
    async for chunk in chunks:
        if not (pending.endswith((b"\n", b"\r")) or b"\n" in chunk or b"\r" in chunk):
            pending += chunk[: max(0, most - len(pending))]
            continue
        # The last line waits for the next chunk: its end, or the LF of its CRLF, may still be to come.
        *whole, pending = (pending + chunk).splitlines(keepends=True)
        for line in whole:
            yield _decoded(line, first)
            first = False
    if pending:
        yield _decoded(pending, first)


def _decoded(line: bytearray, first: bool) -> str:
    if first:
        for signature, what in _NOT_CSV.items():
            if line.startswith(signature):
                raise NotThisFormat(f"The file is {what}: save it as CSV (UTF-8) and import that.")
        line = line.removeprefix(b"\xef\xbb\xbf")
    try:
        return line.decode()
    except UnicodeDecodeError:
        # Files that pass through Excel in the United States come as Windows-1252, a superset of printable
        # Latin-1. Tried line by line, because files pasted together mix the two.
        return line.decode("cp1252", errors="replace")


def _tidy(cell: str) -> str:
    return " ".join(cell.split())
