"""Results: to JSON and back, and into a page that a browser shows and nothing in it runs."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamlam.errors import LamlamError
from lamlam.evaluate import Definition, Metric, Result, read_results, write_report, write_result
from lamlam.evaluate.task import Breakdown, Chart, Example, drawn, share

HOSTILE = "<script>alert('$x_1$')</script> & {{ 7 * 7 }} \u202e"


def result(text="completion", **more):
    values = {
        "definition": Definition("completion", 1, "questions.jsonl", "all", text, "strict", "full", 0, 5),
        "model": text, "base": "full", "policy": "abstain", "seconds": 1.5,
        "metrics": {"strict": share([True, False], 0), "perplexity": Metric(12.5, unit="number")},
        "tables": [Breakdown(text, ("group", "share"), [[text, 0.25], ["b", 3]])],
        "charts": [
            Chart(text, "bars", text, "share", {text: [(text, 0.5), ("b", 1.0)], "other": [("b", 0.1)]}),
            Chart("curve", "lines", "times", "share", {text: [(1, 0.5), (10, 1.0)]}, log_x=True),
        ],
        "examples": [Example(False, text, text, text, text)],
        "notes": [text], "details": {"any": ["thing"]},
    }  # fmt: skip
    return Result(**{**values, **more})


def test_to_disk_and_back(tmp_path):
    first = result()
    assert write_result(first, tmp_path).name == "completion.questions.completion.full.json"
    [again] = read_results([tmp_path])
    assert json.dumps(again.to_json()) == json.dumps(first.to_json())
    write_result(result(seconds=2.0), tmp_path)
    assert [one.seconds for one in read_results([tmp_path])] == [2.0]


@given(name=st.text(min_size=1))
def test_the_file_name_is_one(name):
    assert not set(result(model=name).name) & set("/\\\0\n :")


def test_what_stands_in_data_is_shown_and_not_run(tmp_path):
    write_report([result(HOSTILE)], tmp_path / "page.html", failures=[(HOSTILE, HOSTILE)])
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "{{ 7 * 7 }}" in page
    assert page.count("<svg") == 2
    assert "50.0% (0.0% to 100.0%)" in page
    assert "12.5" in page


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": 1}', '{"format": 99}', '{"format": 1, "metrics": 3}'])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(LamlamError, match=r"x\.json: .*measure again"):
        read_results([tmp_path])


def test_drawn_is_from_the_seed():
    assert drawn(range(100), 1) == drawn(range(100), 1) != drawn(range(100), 2)
    assert drawn([1, 2], 0) in ([1, 2], [2, 1])


def test_a_metric_as_it_is_shown():
    assert str(Metric(0.5, 0.25, 1.0)) == "50.0% (25.0% to 100.0%)"
    assert str(Metric(1234.5, unit="number")) == "1,234"
    assert str(Metric(0.0123, unit="seconds")) == "0.0123 s"
