"""What the documents name is there: every file, every test, every name in the code. So they stay true."""

import re
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
PLACES = ("", "app", "tests", "tests/api", "alembic/sql", "docs")
"""From where a path may be written: ARCHITECTURE.md leaves `app/` out."""
ENDINGS = "py|sql|md|toml|json|yaml|yml|lock"

_CODE = re.compile(r"`([^`\n]+)`")
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)[^)]*\)")
_PATH = re.compile(rf"[\w./*-]+\.(?:{ENDINGS})")
_TEST = re.compile(r"\btest_\w+")
_NAME = re.compile(r"[A-Za-z]\w*(?:_\w+)+|[A-Z][a-z]+(?:[A-Z][a-z]+)+")
"""A name of the code as prose never writes one: with underscores, or capitals in the middle."""
_OTHERS = re.compile(r"OPENBERTH_|FORWARDED_|PGSSL|HttpOnly|SameSite|acr_values|auth_time|openberth_k7m4q2xp")
"""Settings, which are looked for by themselves; what others named; and a key that is made up."""


def prose(page: Path) -> str:
    """The page without what is fenced off: shell, JSON and the map."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    """What the page's prose sets as code."""
    return _CODE.findall(prose(page))


def missing_paths(page: Path) -> list[str]:
    """Paths and links that lead to no file or folder."""
    named = [path for span in spans(page) for path in _PATH.findall(span)]
    # What begins with a slash is asked of a server.
    lost = [path for path in named if path[0] != "/" and not any(any((ROOT / place).glob(path)) for place in PLACES)]
    return lost + [link for link in _LINK.findall(prose(page)) if not (page.parent / link).exists()]


def the_code() -> str:
    """All that is written in the code, its tests and its settings."""
    files = chain(
        *((ROOT / folder).rglob(f"*.{ending}") for folder in ("app", "alembic", "tests") for ending in ("py", "sql")),
        (ROOT / name for name in ("pyproject.toml", "Makefile", "Dockerfile", "compose.yaml", ".dockerignore")),
    )
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.name != Path(__file__).name)


CODE = the_code()
WORDS = frozenset(re.findall(r"\w+", CODE))
TESTS = frozenset(re.findall(r"def (test_\w+)", CODE)) | {file.stem for file in (ROOT / "tests").rglob("test_*.py")}


def of_the_page(page: Path) -> str:
    """How a page is called in the report."""
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=of_the_page)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    assert missing_paths(page) == []


@pytest.mark.parametrize("page", PAGES, ids=of_the_page)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    assert sorted(set(_TEST.findall(page.read_text(encoding="utf-8"))) - TESTS) == []


@pytest.mark.parametrize("page", PAGES, ids=of_the_page)
def test_every_name_of_the_code_that_a_page_names_is_there(page: Path) -> None:
    settings = {name.removeprefix("OPENBERTH_").lower() for name in re.findall(r"OPENBERTH_\w+", prose(page))}
    named = {name for span in spans(page) for name in _NAME.findall(_PATH.sub("", span))}
    code = {name for name in named if not _OTHERS.match(name)}
    assert sorted((code | settings) - WORDS) == []


SECTIONS = {
    1: (2, 9, 11, 3, 2), 2: (3, 3, 4, 1), 3: (0, 2, 4, 6, 5, 0, 2), 4: (3, 1, 2, 4), 5: (1, 3, 2, 3),
    6: (3, 12, 4, 4, 5, 3, 0, 4), 7: (3, 4, 2, 5, 2, 2), 8: (2, 3, 1, 1), 9: (3, 4), 10: (2, 2, 4, 11, 5, 2, 3),
    11: (2, 3, 3, 4, 1, 1), 12: (3, 2, 4), 13: (1, 5, 2, 5), 14: (2, 4, 3), 15: (3, 3, 7), 16: (1, 5, 4, 3, 3),
    17: (1, 4, 2),
}  # fmt: skip
"""How many requirements of levels 1 and 2 each section of ASVS 5.0.0 has; within a section they are the first."""


def numbers(cell: str) -> list[int]:
    """The numbers in a cell, such as `1–3, 5`."""
    ranges = [[int(end) for end in part.split("–")] for part in cell.split(",") if part.strip()]
    return [number for each in ranges for number in range(each[0], each[-1] + 1)]


def test_each_requirement_of_asvs_is_judged_once_and_what_lacks_is_explained() -> None:
    page = (ROOT / "docs" / "asvs.md").read_text(encoding="utf-8")
    look, _, explained = page.partition("## Not met")
    reasons = {False: explained.partition("## Partly met")[0], True: explained.partition("## Partly met")[2]}
    judged: dict[str, list[int]] = {}
    lacking = {False: set[str](), True: set[str]()}
    for section, _, met, partly, unmet, void in re.findall(
        r"^\| ([\d.]+) ([^|]*)" + r"\|([^|]*)" * 4, look, re.MULTILINE
    ):
        judged[section] = sorted(number for cell in (met, partly, unmet, void) for number in numbers(cell))
        lacking[True] |= {f"{section}.{number}" for number in numbers(partly)}
        lacking[False] |= {f"{section}.{number}" for number in numbers(unmet)}
    counts = {f"{chapter}.{at}": n for chapter, sections in SECTIONS.items() for at, n in enumerate(sections, 1) if n}
    assert judged == {section: list(range(1, count + 1)) for section, count in counts.items()}
    assert sum(counts.values()) == 253
    for partly, words in reasons.items():
        rows = re.findall(r"^\| ((?:\d+\.\d+\.\d+(?:, )?)+) \|", words, re.MULTILINE)
        assert {number for row in rows for number in row.split(", ")} == lacking[partly]


def test_what_is_not_there_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`app/nowhere.py`, [a page](nowhere.md), `app/main.py` and `sql/*.sql`\n```\n`app/fenced.py`\n```\n"
    )
    assert missing_paths(page) == ["app/nowhere.py", "sql/*.sql", "nowhere.md"]
    assert "test_nothing_of_the_kind" not in TESTS
    assert _NAME.findall("never_oversold, OnceRoute, Session and CHECK") == ["never_oversold", "OnceRoute"]
