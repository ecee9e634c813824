"""What the kit relies on in the real runtime, held with the tiny model: a new version that changes one of these fails.

Each test names one fact of Foundry Local as foundry-local-sdk 2.2.1 serves it.
"""

import threading
from pathlib import Path

import pytest

from slmbench import config, store
from slmbench.endpoint import connect, resolve, rest
from slmbench.endpoint.rest import LOCAL_PREFIX
from slmbench.measure import asks, bench, stream
from slmbench.models import disk_mb


@pytest.fixture(scope="module")
def prefix(tiny_service):
    return f"{tiny_service.url}{LOCAL_PREFIX}"


@pytest.fixture
def loaded(prefix):
    rest.get(f"{prefix}/models/load/tiny")


def ask(prefix, prompt="Hi", *, model="tiny:1", max_tokens=16, streamed=True):
    payload = stream.body(model, prompt, max_tokens=max_tokens, temperature=0, seed=0, stream=streamed)
    return stream.ask(f"{prefix}/v1/chat/completions", payload, stream=streamed, deadline_s=30)


def test_local_models_are_served_under_the_prefix(prefix, tiny_service):
    assert tiny_service.prefix == LOCAL_PREFIX
    assert rest.model_ids(f"{prefix}/v1") == ["tiny:1", "tiny-b:1"]


def test_status_names_the_process(tiny_service):
    told = rest.get(f"{tiny_service.url}/status")
    assert told["pid"] == tiny_service.pid
    assert "modelCachePath" in told


def test_loading_takes_the_alias_and_chat_takes_the_id(prefix):
    assert rest.get(f"{prefix}/models/load/tiny-b")["status"] in ("loaded", "already_loaded")
    assert rest.get(f"{prefix}/models/load/tiny-b") == {"status": "already_loaded"}
    assert "tiny-b:1" in rest.get(f"{prefix}/models/loaded")
    with pytest.raises(rest.RestError) as raised:
        rest.get(f"{prefix}/models/load/tiny-b:1")
    assert raised.value.status == "http_404"
    assert ask(prefix, model="tiny-b").status == "http_404"
    assert ask(prefix, model="tiny-b:1").status == "ok"


def test_unloading(prefix):
    rest.get(f"{prefix}/models/load/tiny-b")
    assert rest.get(f"{prefix}/models/unload/tiny-b") == {"status": "unloaded"}
    assert rest.get(f"{prefix}/models/unload/tiny-b") == {"status": "not_loaded"}
    reply = ask(prefix, model="tiny-b:1")
    assert (reply.status, "must be loaded" in reply.error) == ("http_400", True)


@pytest.mark.usefixtures("loaded")
def test_a_stream_is_ok_with_the_servers_own_counts(prefix):
    reply = ask(prefix)
    assert (reply.status, reply.error) == ("ok", None)
    assert set(reply.flags) <= {"client_bound"}  # 4,000 tokens/s are more than a busy machine can stamp one by one
    assert (reply.output_tokens, reply.token_source, reply.finish_reason) == (16, "server", "length")
    assert len(reply.text) == 16  # the tiny model says one character a token
    assert (len(reply.chunk_s), reply.reasoning_text, reply.cached_tokens) == (16, None, 0)
    assert 0 < reply.ttft_s <= reply.latency_s


@pytest.mark.usefixtures("loaded")
def test_without_a_stream_the_text_is_the_same(prefix):
    whole, streamed = ask(prefix, streamed=False), ask(prefix)
    assert (whole.status, whole.text, whole.output_tokens) == ("ok", streamed.text, 16)
    assert whole.prompt_tokens == streamed.prompt_tokens
    assert whole.ttft_s is None


@pytest.mark.usefixtures("loaded")
def test_temperature_0_says_the_same_again_also_at_once(prefix):
    first = ask(prefix, max_tokens=64).text
    assert {ask(prefix, max_tokens=64).text for _ in range(3)} == {first}
    texts = []
    threads = [threading.Thread(target=lambda: texts.append(ask(prefix, max_tokens=64).text)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == [first] * 3


def test_an_unknown_id_is_a_404(prefix):
    reply = ask(prefix, model="nobody:1")
    assert (reply.status, "nobody:1" in reply.error) == ("http_404", True)


@pytest.mark.usefixtures("loaded")
def test_a_prompt_that_is_too_long_is_an_error_inside_the_stream(prefix):
    reply = ask(prefix, "x" * 5000)
    assert (reply.status, reply.text) == ("server_error", None)
    assert "maximum context length of 4096" in reply.error
    assert ask(prefix, "x" * 5000, streamed=False).status == "http_400"


def everything(say=lambda _: None):
    endpoint = connect(say=say)
    models_file = config.ModelsFile(Path("models.json"), {}, {})
    return endpoint, resolve(endpoint, ["tiny", "tiny-b"], models_file, say=say)


def test_resolving_finds_the_models_with_their_device(tiny_service, prefix):
    endpoint, [target, _] = everything()
    assert (endpoint.own.pid, endpoint.base_url) == (tiny_service.pid, f"{prefix}/v1")
    assert (target.id, target.base_url, target.load_url) == ("tiny:1", f"{prefix}/v1", f"{prefix}/models")
    assert (target.device, target.execution_provider) == ("cpu", "CPUExecutionProvider")
    assert disk_mb(Path(target.folder)) < 1


def test_loading_is_timed_and_a_loaded_model_is_not_loaded_again():
    endpoint, [target, _] = everything()
    endpoint.unload(target)
    assert endpoint.load(target) > 0
    assert endpoint.load(target) is None
    endpoint.unload(target)
    endpoint.unload(target)  # not there any more: nothing to complain about


def test_the_openai_package_talks_to_it():
    endpoint, [target, _] = everything()
    endpoint.load(target)
    with endpoint.client() as client:
        assert [m.id for m in client.models.list()][:1] == ["tiny:1"]
        said = client.chat.completions.create(
            model="tiny:1", messages=[{"role": "user", "content": "Hi"}], max_tokens=4, temperature=0
        )
    assert len(said.choices[0].message.content) == 4
    assert client.max_retries == 0


def test_a_whole_run_with_several_loads(tmp_path):
    endpoint, targets = everything()
    prompts = (config.Prompt("p1", "One?"), config.Prompt("p2", "Two?"))
    settings = config.Settings(prompts, "test", rounds=2, loads=2, warmup=1, max_tokens=8)
    with store.RunFolder.open(tmp_path / "run", settings.to_dict(), {}) as folder:
        rows = list(bench.run(targets, settings, endpoint, folder))
    assert len(rows) == asks.count(targets, settings) == 2 * 2 * (1 + 4)
    assert {(r.status, r.output_tokens, r.device) for r in rows} == {("ok", 8, "cpu")}
    assert len({(r.model, r.prompt_id, r.text_sha256) for r in rows}) == 4  # the same text in every round and load
    loads = [r for r in store.read(tmp_path / "run").resources if r["kind"] == "load"]
    assert sorted((r["model"], r["load_index"]) for r in loads) == [(m, i) for m in ("tiny", "tiny-b") for i in (0, 1)]
    assert store.read(tmp_path / "run").frame().ok.all()
