"""Speed and quality beside each other: which ends are intervals, what is left out, what the chart shows."""

import math

import pandas as pd
import pytest

from slmbench.analyse import stats
from slmbench.errors import UsageError
from slmbench.records import to_frame
from slmbench.show import speed_quality, theme
from support.made_rows import streamed

NAN = float("nan")


@pytest.fixture
def summary():
    rows = [streamed("many", "p", n, gaps=(0.1, 0.1 + n / 1000)) for n in range(8)]
    rows += [streamed("few", "p", n, gaps=(0.2, 0.2)) for n in range(3)]
    rows += [streamed("unjudged", "p", n) for n in range(3)]
    return stats.summarise(to_frame(rows))


@pytest.fixture
def means():
    lines = [("many", 3.5, 3.0, 4.0, 2, 5, 8), ("few", 2.0, NAN, NAN, 1, 3, 4), ("unmeasured", 5, NAN, NAN, 5, 5, 1)]
    return pd.DataFrame(lines, columns=["model", "mean", "low", "high", "min", "max", "n"])


def test_an_interval_where_n_allows_one_else_what_was_seen(summary, means):
    many, few = speed_quality.points(summary, means).to_dict("records")
    assert (many["model"], few["model"]) == ("many", "few")
    assert many["speed_interval"] and not few["speed_interval"]
    assert many["score_interval"] and not few["score_interval"]
    assert (many["score_low"], many["score_high"], few["score_low"], few["score_high"]) == (3.0, 4.0, 1, 3)
    assert few["speed"] == few["speed_low"] == few["speed_high"] == pytest.approx(5.0)  # 2 tokens in 0.4 s
    assert many["speed_low"] < many["speed"] < many["speed_high"]
    assert (many["speed_n"], many["score_n"]) == (8, 8)


def test_the_table_has_quality_beside_speed(summary, means):
    table = speed_quality.joined(summary, means).set_index("model")
    assert table.loc["many", "quality_mean"] == 3.5 and table.loc["few", "quality_n"] == 4
    assert math.isnan(table.loc["unjudged", "quality_mean"]) and math.isnan(table.loc["few", "quality_low"])
    assert len(table) == 3 and "decode_tps_p50" in table


@pytest.mark.parametrize("column", speed_quality.COLUMNS)
def test_the_chart_has_a_mark_and_two_bars_a_model(summary, means, column):
    found = speed_quality.points(summary, means, column)
    with theme.use("light", "projector"):
        ax = speed_quality.chart(found, column, "human: <b>$x$</b>")
    bars = [artist for artist in ax.collections if artist.get_gid() == "interval"]
    assert len(bars) == 4 and len({str(bar.get_linestyle()) for bar in bars}) == 2
    assert [text.get_text().split("\n")[0] for text in ax.get_legend().get_texts()] == ["many", "few"]
    assert ax.get_title("left") == "Speed and quality, judged by human: <b>$x$</b>"
    side = "left" if column.endswith("_s") else "right"
    assert f"up and to the {side}" in ax.figure._supxlabel.get_text().replace("\n", " ")


def test_its_words_say_the_same(summary, means):
    said = speed_quality.words(speed_quality.points(summary, means))
    assert "many: " in said and "score 3.50 (95 % interval 3 to 4)" in said
    assert "few: 5 (seen 5 to 5), score 2 (seen 1 to 3)" in said


def test_nothing_to_show_is_said(summary, means):
    ax = speed_quality.chart(speed_quality.points(summary, means.iloc[2:]))
    assert ax.get_title("left") == "Speed and quality: nothing has both"


def test_a_column_that_is_no_speed_is_refused(summary, means):
    with pytest.raises(UsageError, match="column='text' is no speed"):
        speed_quality.points(summary, means, "text")
