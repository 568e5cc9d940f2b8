"""What a file holds decides if it is indexed: no key, nothing that a program wrote, and all that a person did."""

from __future__ import annotations

from pathlib import Path

import pytest

from aurora_core import Memory
from aurora_core.report import CONFIDENTIAL, MINIFIED

BEGIN = "-----BEGIN RSA PRIVATE KEY-----"
LINE = "MIIEpAIBAAKCAQEAx3Vq0v9JmX2Qe8f4b7Zk1nTtYwUoPiAsDfGhJkLzXcVbNmQw"


def judged(root: Path, file: str, content: str) -> str:
    """Returns why a file is not indexed; "" if it is."""
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(content, encoding="utf-8", newline="")
    with Memory.open(root) as memory:
        report = memory.index()
    reasons = [group.reason for group in report.left_out]
    assert (report.files_indexed, len(reasons)) in ((1, 0), (0, 1))
    return reasons[0] if reasons else ""


@pytest.mark.parametrize(
    "text",
    [
        f"{BEGIN}\n{LINE}\n",
        "# notes\n" * 2_000 + f"{BEGIN}\n{LINE}\n",
        f"{BEGIN}\r\n{LINE}\r\n",
        f"{BEGIN}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233\n\n{LINE}\n",
        f"key: |\n  {BEGIN.replace('RSA', 'OPENSSH')}\n  {LINE}\n",
        f'{{"private_key": "{BEGIN.replace("RSA ", "")}\\n{LINE}\\n"}}',
        f'key = "{BEGIN}\\r\\n" \\\n  "{LINE}\\r\\n"\n',
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n{LINE}\n",
    ],
    ids=["at the start", "late", "CRLF", "encrypted", "indented", "JSON", "string of C", "PGP"],
)
def test_a_private_key_anywhere_in_a_file_keeps_it_out(tmp_path: Path, text: str) -> None:
    assert judged(tmp_path, "notes.txt", text) == CONFIDENTIAL


@pytest.mark.parametrize(
    "text",
    [
        f'_PRIVATE_KEY = b"{BEGIN}"\nLIMIT = 1\n',
        f"A key begins with `{BEGIN}` in its first line,\nwhich a scanner looks for.\n",
        f"{BEGIN.replace('PRIVATE', 'PUBLIC')}\n{LINE}\n",
        f"{BEGIN}\n...\n-----END RSA PRIVATE KEY-----\n",
    ],
    ids=["in code", "in prose", "a public one", "an empty one"],
)
def test_the_mark_of_a_key_without_a_key_keeps_no_file_out(tmp_path: Path, text: str) -> None:
    assert judged(tmp_path, "scan.py", text) == ""


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("plot.ipynb", f'{{"cells": [{{"cell_type": "code", "source": ["quagga()"], "o": "{"A" * 5_000}"}}]}}'),
        ("README", "Words of a paragraph. " * 200),
        ("page.html", "<p>Words of a page. </p>" * 200),
        ("mac.py", "def quagga():\r    return 1\r" * 200),
        ("mac.js", "var quagga = 1;\r" * 400),
        ("query.sql", "SELECT quagga FROM animals WHERE name = 'x' OR " * 100),
    ],
)
def test_long_lines_that_people_write_keep_no_file_out(tmp_path: Path, file: str, text: str) -> None:
    assert judged(tmp_path, file, text) == ""


@pytest.mark.parametrize("file", ["a.js", "a.mjs", "a.ts", "a.css", "a.json", "a.svg"])
def test_scripts_styles_and_data_of_one_line_are_left_out(tmp_path: Path, file: str) -> None:
    assert judged(tmp_path, file, "var a=1;" * 900) == MINIFIED
