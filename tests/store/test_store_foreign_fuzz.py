"""Run folders of strangers, whatever they hold: read, and then to be told; or refused with a StoreError."""

import json

from hypothesis import HealthCheck, given, settings, strategies as st
from made_runs import PLAN

from slmbench import paths, store
from slmbench.show import findings

PLAIN = ("plan.json", "machine.json", "resources.jsonl")
QUICK = settings(
    max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9)
ANY = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
CALIBRATION = json.loads((paths.run_folder("example") / "machine.json").read_text(encoding="utf-8"))["calibration"]


def dumped(value):
    return json.dumps(value).encode()  # NaN and lone surrogates come out as Python writes them


def read(run):
    """The run, or None where it is refused as it should be."""
    try:
        return store.read(run)
    except store.StoreError as e:
        assert e.message.isprintable() and e.cure
        return None


@QUICK
@given(data=st.binary(max_size=60) | ANY.map(dumped), name=st.sampled_from(PLAIN))
def test_any_bytes(run, data, name):
    before = (run / name).read_bytes()
    try:
        (run / name).write_bytes(data + b"\n")
        assert (found := read(run)) is None or json.dumps([found.plan, found.machine], allow_nan=False)
    finally:
        (run / name).write_bytes(before)


@QUICK
@given(more=st.dictionaries(st.sampled_from(list(PLAN)) | st.text(max_size=3), ANY, max_size=3))
def test_any_plan(run, more):
    (run / "plan.json").write_bytes(dumped(PLAN | more))
    found = read(run)
    assert found is None or found.plan == PLAN | more


@QUICK
@given(
    more=st.dictionaries(st.sampled_from(list(CALIBRATION)), ANY, max_size=2),
    first=st.dictionaries(st.sampled_from(list(CALIBRATION["accuracy"][0])) | st.text(max_size=3), ANY, max_size=2),
)
def test_any_calibration_that_is_read_can_be_told(run, more, first):
    accuracy = [CALIBRATION["accuracy"][0] | first]
    (run / "machine.json").write_bytes(dumped({"calibration": CALIBRATION | {"accuracy": accuracy} | more}))
    found = read(run)
    assert (
        found is None
        or "timing error" in findings.calibration(found.machine)
        or "held against a server" in (findings.calibration(found.machine))
    )


@QUICK
@given(record=ANY | st.dictionaries(st.sampled_from(["model", "kind", "load_s", "error", "load_index"]), ANY))
def test_any_resource_that_is_read_can_be_told(run, record):
    (run / "resources.jsonl").write_bytes(dumped(record) + b"\n")
    found = read(run)
    assert found is None or isinstance(findings.precision(found.plan, found.resources), list)


def test_a_calibration_as_it_is_kept(tmp_path):
    file = tmp_path / "calibration.json"
    file.write_bytes(dumped(CALIBRATION))
    assert store.read_calibration(file) == CALIBRATION


@QUICK
@given(
    data=ANY.map(dumped)
    | st.dictionaries(st.sampled_from(list(CALIBRATION)), ANY).map(lambda m: dumped(CALIBRATION | m))
)
def test_any_calibration_is_one_or_refused(tmp_path, data):
    file = tmp_path / "calibration.json"
    file.write_bytes(data)
    try:
        found = store.read_calibration(file)
    except store.StoreError as e:
        assert e.message.startswith(str(file)) and e.message.isprintable() and e.cure
    else:
        assert found is None or found.keys() >= CALIBRATION.keys()
