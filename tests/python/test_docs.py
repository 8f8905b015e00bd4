"""The sessions of docs/python.md."""

import doctest

from conftest import SOURCE


def test_what_the_page_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (SOURCE / "docs/python.md").read_text().replace("```", "")
    test = doctest.DocTestParser().get_doctest(page, {}, "python.md", "docs/python.md", 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    assert runner.run(test).failed == 0
