"""rows.jsonl straight to columns: the same frame as by way of rows, for every file that can be thought of."""

import dataclasses
import gc
import json
import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import example, given, settings, strategies as st
from made_runs import opened, row, written

from slmbench import store
from slmbench.records import COLUMNS, DERIVED, KINDS, LONG, to_frame
from slmbench.store import frames

LEAST = '{"run": "r", "cell": "c", "model": "m"'

TEXT = st.text(st.characters(exclude_categories=()), max_size=8) | st.sampled_from(["नमस्ते", "\ud83d", "ok", "timed"])
COUNT = st.integers(0, 5000) | st.sampled_from([2**53 + 1, 2**63 - 1, -1])
SECONDS = st.floats(0, 1e6) | st.integers(0, 3)
VALUES = {
    "str": TEXT,
    "int": COUNT,
    "float": SECONDS,
    "None": st.none(),
    "list[str]": st.lists(TEXT, max_size=3),
    "list[int]": st.lists(COUNT, max_size=3),
    "list[float]": st.lists(SECONDS, max_size=5),
}
ODD = st.sampled_from([None, True, 0.5, 3.0, -0.0, 2**70, 10**400, "", [], [None], [1, "a"], [[1.0]], {}, float("nan")])
ANY = st.recursive(
    TEXT | SECONDS | st.none() | st.booleans(), lambda x: st.lists(x, max_size=3) | st.dictionaries(TEXT, x, max_size=3)
)


@st.composite
def lines(draw):
    """One line: mostly a row, of an old or a coming version too; now and then not quite, or not at all."""
    values = {"run": "r", "cell": draw(TEXT), "model": draw(TEXT)}
    odd = draw(st.integers(0, 20)) == 0
    for name in draw(st.lists(st.sampled_from(COLUMNS), max_size=12, unique=True)):
        fitting = st.one_of(*(VALUES[part] for part in KINDS[name].split(" | ")))
        values[name] = draw(ODD if odd else fitting)
    values |= draw(st.dictionaries(st.sampled_from(["of_tomorrow", "", "Model"]), ANY, max_size=1))
    line = json.dumps(
        dict(draw(st.permutations(list(values.items())))),
        ensure_ascii=draw(st.integers(0, 10)) > 0,
        separators=draw(st.sampled_from([(", ", ": "), (",", ":")])),
    ).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 30)) == 0:  # one byte damaged
        place = draw(st.integers(0, len(line) - 1))
        line = line[:place] + draw(st.binary(max_size=2)) + line[place + 1 :]
    return line + draw(st.sampled_from([b"\n"] * 30 + [b"\r\n", b" \n", b"\n\n"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("frames") / "run")


def outcome(call):
    try:
        return call()
    except store.StoreError as e:
        return f"{type(e).__name__}: {e}"


@settings(deadline=None, database=None, max_examples=200)
@given(st.lists(lines(), max_size=8), st.binary(max_size=4) | lines().map(lambda line: line[:-2]))
@example([LEAST.encode() + b', "flags": null, "ttft_s": null}\n'], b"")
@example([LEAST.encode() + b', "text": "\xff"}\n'], b"")  # in a text that is not kept
@example([LEAST.encode() + b', "x": ' + b"[" * 5000 + b"]" * 5000 + b"}\n"], b"")
@example([LEAST.encode() + b', "ttft_s": 2.0, "latency_s": 1.0}\n', b"x\n"], b"")
@example([b"\xef\xbb\xbf" + LEAST.encode() + b"}\n"], b"")
@example([LEAST.encode() + b',\n"text": null}' + LEAST.encode() + b"}\n"], b"")  # two rows in two lines, and yet not
def test_a_file_gives_the_frame_or_the_error_that_its_rows_give(folder, whole, tail):
    (folder / "rows.jsonl").write_bytes(b"".join(whole) + tail)
    by_rows = outcome(lambda: store.read(folder).frame())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(frames, "BATCH_ROWS", 3)  # so that small files have several batches
        everything, light = outcome(lambda: store.frame(folder, light=False)), outcome(lambda: store.frame(folder))
    if isinstance(by_rows, str):
        assert isinstance(everything, str) and everything == by_rows
        # of what it does not keep, the light frame knows no more than that it is JSON
        assert any(f"({name}: " in by_rows for name in LONG[1:]) or (isinstance(light, str) and light == by_rows)
    else:
        pd.testing.assert_frame_equal(everything, by_rows, check_exact=True)
        pd.testing.assert_frame_equal(light, by_rows.drop(columns=list(LONG)), check_exact=True)


def test_by_hand(tmp_path):
    one = row(1, ttft_s=0.5, latency_s=2.5, chunk_s=[0.5, 0.75, 2.0, 2.5], output_tokens=11, flags=["usage_missing"])
    path = written(tmp_path / "run", one, row(2, status="timeout", error="late"))
    frame = store.frame(path)
    assert list(frame.columns) == [name for name in (*COLUMNS, *DERIVED) if name not in LONG]
    assert frame.loc[0, ["chunk_gap_max_s", "tpot_s", "output_tps"]].tolist() == [1.25, 0.2, 4.4]
    assert (frame["flags"].tolist(), frame.ok.tolist()) == ([["usage_missing"], []], [True, False])
    assert frame.status.tolist() == ["ok", "timeout"]
    assert store.frame(path, light=False).text.tolist() == ["reply 1 नमस्ते", "reply 2 नमस्ते"]


def test_a_run_of_many_batches_is_whole_and_in_order(tmp_path):
    count = 2 * frames.BATCH_ROWS + 1
    lines = [row(n, order=n, latency_s=1 + n / 8, prompt_id=f"p{n % 3}").to_json() + "\n" for n in range(count)]
    path = written(tmp_path / "run")
    (path / "rows.jsonl").write_text("".join(lines), encoding="ascii")
    frame = store.frame(path)
    pd.testing.assert_frame_equal(frame, store.read(path).frame().drop(columns=list(LONG)))
    assert frame.order.tolist() == list(range(count))
    kept = frame["prompt_id"].array
    assert kept[0] is kept[count - count % 3 - 3]  # one copy of a text, however many rows have it


@pytest.mark.parametrize("number", [1, frames.BATCH_ROWS, frames.BATCH_ROWS + 1])
def test_a_damaged_line_is_told_with_its_number(tmp_path, number):
    lines = [row(n).to_json() + "\n" for n in range(frames.BATCH_ROWS + 3)]
    lines[number - 1] = '{"run": \n'
    path = written(tmp_path / "run")
    (path / "rows.jsonl").write_text("".join(lines), encoding="ascii")
    with pytest.raises(store.StoreError, match=rf"rows\.jsonl, line {number}: not a record"):
        store.frame(path)


def test_a_run_without_rows_has_all_columns(tmp_path):
    path = written(tmp_path / "run")
    pd.testing.assert_frame_equal(store.frame(path, light=False), to_frame([]))
    (path / "rows.jsonl").unlink()
    pd.testing.assert_frame_equal(store.frame(path, light=False), to_frame([]))


def test_a_folder_that_is_none_is_told(tmp_path):
    with pytest.raises(store.StoreError, match="no run folder"):
        store.frame(tmp_path)


def test_a_run_that_is_being_written_can_be_loaded(tmp_path):
    with opened(tmp_path / "run") as folder:
        for number in range(3):
            folder.append(row(number))
            assert store.frame(tmp_path / "run").cell.tolist() == [f"c{n}" for n in range(number + 1)]


@pytest.mark.parametrize("on", [True, False])
def test_garbage_collection_is_as_it_was(tmp_path, on):
    path = written(tmp_path / "run", row(1))
    (path / "rows.jsonl").write_bytes(b"{}\n")
    was_on = gc.isenabled()
    try:
        (gc.enable if on else gc.disable)()
        with pytest.raises(store.StoreError):
            store.frame(path)
        assert gc.isenabled() == on
    finally:
        (gc.enable if was_on else gc.disable)()


def test_the_decoder_knows_every_column_as_rows_do():
    decode = frames._decoder(list(COLUMNS))
    [values] = decode([(LEAST + "}").encode()])
    assert dict(zip(COLUMNS, values, strict=True)) == dataclasses.asdict(frames.Row(run="r", cell="c", model="m"))


def test_a_run_loads_no_decoder_and_no_frames():
    """What `slmbench run` imports of this room is cheap."""
    code = "import sys, slmbench.store; print(sorted({'msgspec', 'pandas', 'numpy'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
