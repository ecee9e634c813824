"""Whatever a file holds or a parameter is: it is read, or refused with a UsageError that can be shown."""

import contextlib
import json

from hypothesis import HealthCheck, given, settings, strategies as st

from slmbench import config
from slmbench.errors import UsageError

QUICK = settings(
    max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.text(st.characters(), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
keys = texts | st.sampled_from(
    ["sets", "rubrics", "id", "text", "aspects", "weight", "language", "rubric", "models", "run"]
)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))
prompts = st.fixed_dictionaries(
    {"id": texts, "text": texts},
    optional={"aspects": st.lists(texts, max_size=3) | scalars, "weight": scalars, "language": texts, "rubric": texts},
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
