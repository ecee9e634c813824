"""`slmbench compare`: two run folders side by side, and in what else they differ."""

import json
from dataclasses import replace

import pytest

from slmbench import config, store
from slmbench.records import Row

PROMPTS = ("p1", "p2")


@pytest.fixture
def written(tmp_path):
    """A run folder of one made-up model or more; gives its path. factor: on every latency."""

    def write(name, *, models=("a",), factor=1.0, rounds=8, device="cpu", machine=None, **asked):
        given = {"prompts": [config.Prompt(p, f"{p}?") for p in PROMPTS], "rounds": rounds} | asked
        plan = config.settings(environ={}, models=list(models), **given).to_dict()
        plan["targets"] = [{"alias": m, "device": device, "execution_provider": f"{device.upper()}EP"} for m in models]
        facts = {"cpu": "One", "packages": {"numpy": "1"}, "service": {"pid": 1}} | (machine or {})
        with store.RunFolder.open(tmp_path / name, plan, facts) as folder:
            for number in range(rounds):
                for i, prompt in enumerate(plan["prompts"]):
                    for model in models:
                        latency_s = factor * (1.0 + i) * (1 + 0.01 * ((7 * number + 3 * i) % 5))
                        folder.append(row(name, model, prompt["id"], number, latency_s))
        return folder.path

    return write


def row(run, model, prompt, number, latency_s):
    more = {"ttft_s": latency_s / 2, "latency_s": latency_s, "output_tokens": 11, "prompt_tokens": 5}
    return Row(run, f"{model}{prompt}{number}", model, prompt_id=prompt, round=number, load_index=0, **more)


def test_twice_as_fast(slmbench, written):
    ended = slmbench("compare", written("cpu"), written("gpu", factor=0.5))
    assert ended.code == 0
    assert "latency_s (s), B divided by A, prompt by prompt; less is better." in ended.out
    [line] = [li for li in ended.out.splitlines() if li.startswith("a ")]
    assert line.split() == ["a", "0.500", "0.500", "to", "0.500", "16", "faster", "-"]
    assert "a: gpu is faster than cpu: latency × 0.50" in ended.out
    assert "within these two runs" in ended.out and "within this session" not in ended.out
    assert "Careful" not in ended.out and "Settings" not in ended.out


def test_as_json_without_nan(slmbench, written):
    ended = slmbench("compare", written("x", models=("a", "b"), rounds=2), written("y", models=("b", "c")), "--json")
    found = json.loads(ended.out, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert set(found) == {"runs", "metric", "models", "warnings", "differences", "machines"}
    [only] = found["models"]
    assert (only["model"], only["n_pairs"], only["verdict"], only["p"]) == ("b", 4, "can't tell", None)
    assert only["sentence"].startswith("b: can't tell y from x")
    assert 'models: ["a", "b"] -> ["b", "c"]' in found["differences"] and "rounds: 2 -> 8" in found["differences"]


def test_models_without_a_counterpart_and_failures_are_told_of(slmbench, written):
    one, other = written("x", models=("a", "b")), written("y")
    with (other / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write(replace(row("y", "a", "p1", 99, 1.0), status="timeout").to_json() + "\n")
    ended = slmbench("compare", one, other)
    careful = ended.out.partition("Careful:")[2]
    assert "not compared, as only A or neither has replies of it: b" in careful
    assert "in B 1 of 17 timed requests failed" in careful


def test_more_is_better_where_it_is(slmbench, written):
    ended = slmbench("compare", written("x"), written("y", factor=0.5), "--metric", "decode_tps")
    [line] = [li for li in ended.out.splitlines() if li.startswith("a ")]
    assert line.split()[1] == "2.000" and "faster" in line
    assert "decode_tps (tokens/s)" in ended.out and "more is better" in ended.out


def test_what_else_differs_is_told(slmbench, written):
    other = {"cpu": "Two", "packages": {"numpy": "2"}, "service": {"pid": 2}, "only_here": 1}
    ended = slmbench("compare", written("x"), written("y", device="gpu", machine=other, max_tokens=5, seed=3))
    assert "Careful:\n  the two runs did not ask for the same: max_tokens: 96 -> 5" in ended.out
    settings = ended.out.partition("Settings:\n")[2].partition("\n\n")[0].splitlines()
    assert settings == ["  max_tokens: 96 -> 5", "  seed: 0 -> 3", "  a on: cpu CPUEP -> gpu GPUEP"]
    machines = ended.out.partition("Machines:\n")[2].splitlines()
    assert machines == ["  cpu: One -> Two", "  packages numpy: 1 -> 2"]


def test_other_prompts_under_the_same_names_are_warned_of(slmbench, written):
    prompts = [config.Prompt("p1", "p1?"), config.Prompt("p2", "Another?"), config.Prompt("p3", "More?")]
    ended = slmbench("compare", written("x"), written("y", prompts=prompts))
    assert "did not ask for the same: prompts with another text: p2" in ended.out
    assert "did not ask for the same: prompts in the second run only: p3" in ended.out


def test_what_changed_is_written_as_markdown_and_web_page(slmbench, written, tmp_path):
    out = tmp_path / "new" / "folder"
    ended = slmbench("compare", written("x"), written("y", factor=0.5, max_tokens=5), "--out", out, "--json")
    files = [out / "what_changed.md", out / "what_changed.html"]
    assert ended.code == 0 and json.loads(ended.out)["written"] == [str(path) for path in files]
    assert sorted(out.iterdir()) == sorted(files)
    page, web = (path.read_text(encoding="utf-8") for path in files)
    assert page.startswith("# What changed\n\n**Latency, from A to B. Faster: a.**\n")
    assert "- max_tokens: 96 -&gt; 5" in page
    assert "<strong>Latency, from A to B. Faster: a.</strong>" in web and "<title>What changed: x and y</title>" in web
    assert str(files[0]) in slmbench("compare", tmp_path / "x", tmp_path / "y", "--out", out).out


def test_an_out_that_cannot_be_a_folder_is_refused(slmbench, written, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    ended = slmbench("compare", written("x"), written("y"), "--out", tmp_path / "file")
    assert (ended.code, ended.out) == (2, "") and "--out: " in ended.err and "Traceback" not in ended.err


def test_nothing_in_common_is_refused(slmbench, written, tmp_path):
    ended = slmbench("compare", written("x"), written("y", models=("b", "c")))
    assert (ended.code, ended.out) == (2, "")
    assert "latency_s of no model in common; measured are a, and b, c." in ended.err
    ended = slmbench("compare", tmp_path / "x", tmp_path)
    assert ended.code == 2 and "no run folder" in ended.err


def test_an_unknown_metric_is_refused_with_the_nearest(slmbench, written):
    ended = slmbench("compare", written("x"), written("y"), "--metric", "latncy_s")
    assert ended.code == 2
    assert "unknown metric 'latncy_s'; did you mean latency_s?" in ended.err and "decode_tps" in ended.err


def test_what_a_model_is_called_does_not_command_the_terminal(slmbench, written):
    hostile = "a\x1b[2Jb"
    plan_safe = written("x"), written("y")
    for path in plan_safe:
        with store.RunFolder.open(path, store.read(path).plan, {}, resume=True) as folder:
            for number in range(6):
                folder.append(row(path.name, hostile, "p1", number, 1.0 + number / 100))
    ended = slmbench("compare", *plan_safe)
    assert ended.code == 0 and "\x1b" not in ended.out and "a�[2Jb" in ended.out
