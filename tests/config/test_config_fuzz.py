"""Whatever a file holds or a parameter is: it is read, or refused with a UsageError that can be shown."""

import contextlib
import json
from ipaddress import ip_address
from urllib.parse import urlsplit

from hypothesis import HealthCheck, given, settings, strategies as st

from slmbench import config
from slmbench.config.checks import TAKES
from slmbench.config.limits import limits, limits_text
from slmbench.config.values import Origin, endpoint_url, folder, model_names, streams
from slmbench.errors import UsageError

QUICK = settings(
    max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.text(st.characters(), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
keys = texts | st.sampled_from(
    ["sets", "rubrics", "id", "text", "aspects", "weight", "language", "rubric", "checks", "models", "run"]
)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))
checks = st.dictionaries(
    st.sampled_from(config.Check.__slots__) | texts,
    anything | st.sampled_from(list(TAKES)) | st.lists(texts | st.lists(texts, max_size=2), max_size=3),
)
limits_of = st.fixed_dictionaries({"kind": st.sampled_from(list(TAKES))}, optional={"min": scalars, "max": scalars})
prompts = st.fixed_dictionaries(
    {"id": texts, "text": texts},
    optional={
        "aspects": st.lists(texts, max_size=3) | scalars,
        "weight": scalars,
        "language": texts,
        "rubric": texts,
        "checks": st.lists(checks | limits_of, max_size=3) | scalars,
    },
)
nearly = st.fixed_dictionaries({"sets": st.dictionaries(texts, st.lists(prompts, max_size=3), max_size=2)})
entries = st.dictionaries(st.sampled_from(list(config.ModelEntry.__slots__)), anything, max_size=4)
models = st.dictionaries(texts, entries, max_size=3)


@contextlib.contextmanager
def only_usage_errors():
    try:
        yield
    except UsageError as error:
        assert error.message.isprintable()
        assert error.cure


def dumped(value):
    return json.dumps(value).encode()  # NaN and lone surrogates come out as Python writes them


@QUICK
@given(value=anything | nearly)
def test_prompts_from_any_json(tmp_path, value):
    (tmp_path / "p.json").write_bytes(dumped(value))
    with only_usage_errors():
        read = config.read_prompts(tmp_path / "p.json")
        assert read and all(isinstance(p, config.Prompt) and p.text.strip() for p in read)
        assert len({p.id for p in read}) == len(read)


@QUICK
@given(data=st.binary(max_size=200), ending=st.sampled_from([".json", ".txt"]))
def test_prompts_from_any_bytes(tmp_path, data, ending):
    (tmp_path / f"p{ending}").write_bytes(data)
    with only_usage_errors():
        assert all(p.text.strip() for p in config.read_prompts(tmp_path / f"p{ending}"))


@QUICK
@given(text=texts)
def test_prompts_from_any_text_come_back_as_they_were(tmp_path, text):
    (tmp_path / "p.txt").write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    with only_usage_errors():
        read = config.read_prompts(tmp_path / "p.txt")
        lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert [p.text for p in read] == [line.strip() for line in lines if line.strip()]


@QUICK
@given(value=anything | models | st.fixed_dictionaries({"models": models, "run": anything}))
def test_models_from_any_json(tmp_path, value):
    (tmp_path / "m.json").write_bytes(dumped(value))
    with only_usage_errors():
        assert all(a == e.alias for a, e in config.read_models(tmp_path / "m.json").entries.items())


@QUICK
@given(spec=anything)
def test_any_name_for_prompts(spec):
    with only_usage_errors():
        config.read_prompts(spec)


@QUICK
@given(name=st.sampled_from([n for n in config.Settings.__slots__ if n != "prompts_from"]), value=anything)
def test_any_value_of_any_setting(name, value):
    with only_usage_errors():
        plan = config.settings(environ={}, **{name: value}).to_dict()
        assert len(config.plan_hash(plan)) == 12


@QUICK
@given(
    environ=st.dictionaries(st.sampled_from(["BENCH_MODELS", "BENCH_ROUNDS", "BENCH_PROMPT", "BENCH_STREAM"]), texts)
)
def test_any_environment(environ):
    with only_usage_errors():
        json.dumps(config.settings(environ=environ).to_dict(), allow_nan=False)


SINGLE = Origin("it", "test", "cure")
times = st.sampled_from(["1s", "0.5 ms", "2us", "0s", "1e3s", "s", "-1s", "9" * 30 + "s"]) | texts
pairs = st.tuples(st.sampled_from(["ttft", "tpot", "latency_s", "ttft_s"]) | texts, scalars | times)
written = st.lists(pairs, max_size=3).map(lambda found: ",".join(f"{name}={time}" for name, time in found))


@QUICK
@given(value=anything | written | st.lists(pairs, max_size=3) | st.lists(pairs, max_size=3).map(dict))
def test_any_limits_come_back_from_their_text(value):
    with only_usage_errors():
        found = limits(value, SINGLE)
        assert all(0 < seconds <= 86400 for _, seconds in found)
        assert not found or limits(limits_text(found), SINGLE) == found


@QUICK
@given(value=anything | st.lists(st.integers(-1, 600), max_size=5) | st.text("0123456789, ", max_size=9))
def test_any_streams_are_different_numbers_within_their_range(value):
    with only_usage_errors():
        found = streams(value, SINGLE)
        assert found and len(set(found)) == len(found) and all(1 <= n <= 512 for n in found)


@QUICK
@given(value=anything | st.lists(texts, max_size=4) | st.text("ab,./:-\u202e\0\ud800 ", max_size=9))
def test_any_models_are_different_visible_names(value):
    with only_usage_errors():
        found = model_names(value, SINGLE)
        assert found and len(set(found)) == len(found)
        assert all(name.isprintable() and "," not in name and " " not in name for name in found)


hosts = st.sampled_from(
    ["localhost", "127.0.0.1", "[::1]", "example.org", "u@localhost", "localhost.", "0", "127.1", ""]
)
addresses = st.tuples(st.sampled_from(["http://", "https://", "file://", "//", ""]), hosts | texts, texts).map("".join)


@QUICK
@given(text=addresses | texts)
def test_any_address_that_is_taken_is_of_this_machine_and_plain(text):
    with only_usage_errors():
        found = endpoint_url(text, SINGLE, False, "allow it")
        host = urlsplit(found).hostname
        assert host == "localhost" or ip_address(host).is_loopback
        assert found.startswith(("http://", "https://")) and "@" not in found
        assert found.isascii() and found.isprintable() and " " not in found and not found.endswith("/")
        assert endpoint_url(found, SINGLE, False, "allow it") == found


@QUICK
@given(value=anything)
def test_any_folder_is_a_path_that_can_be_looked_for(value):
    with only_usage_errors():
        assert folder(value, SINGLE).exists() in (True, False)
