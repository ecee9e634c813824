"""The check of the locks for every platform: what it sees, and that it sees what is missing. Offline."""

from __future__ import annotations

import hashlib
import importlib.util

import platforms
import pytest
from locks import ROOT, Pin, pins_in
from platforms import Cell, check, differences, table, unlocked
from resolving import Found, Target, Unresolved, Wheel, as_uv, read, resolve

WINDOWS = "aarch64-pc-windows-msvc"
PYLOCK = """
lock-version = "1.0"
[[packages]]
name = "a"
version = "1.0"
wheels = [
    { url = "https://127.0.0.1/a-1-win.whl", upload-time = 2026-02-03T04:05:06Z, size = 7, hashes.sha256 = "11" },
    { path = "a-1-any.whl", hashes.sha256 = "22" },
]
[[packages]]
name = "b"
version = "2.0"
"""


def found(name, version="1.0", *hashes):
    return Found(name, version, tuple(Wheel(f"{name}-{h}.whl", h, None, None) for h in hashes))


def by_name(*packages):
    return {package.name: package for package in packages}


def test_a_lock_is_read():
    first = "A.b==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:11 \\\n    --hash=sha256:22\n"
    first, second = pins_in(f"{first}c==2 \\\n    --hash=sha256:33\n")
    assert (first.name, first.version, first.hashes) == ("a-b", "1.0", {"11", "22"})
    assert (str(first), str(second)) == ('a-b==1.0 ; sys_platform == "win32"', "c==2")


@pytest.mark.parametrize("line", ["a>=1.0", "a", "a==1.0,<2"])
def test_a_line_that_pins_nothing_is_refused(line):
    with pytest.raises(ValueError, match="pinned with == was expected"):
        pins_in(line)


def test_what_uv_found_is_read():
    a, b = read(PYLOCK).values()
    assert [w.file for w in a.wheels] == ["a-1-win.whl", "a-1-any.whl"]
    assert (a.wheels[0].sha256, a.wheels[0].size, str(a.wheels[0].uploaded)) == ("11", 7, "2026-02-03")
    assert (a.wheels[1].size, a.wheels[1].uploaded) == (None, None)
    assert (b.version, b.wheels) == ("2.0", ())


def test_one_wheel_that_fits_must_be_in_the_lock():
    packages = read(PYLOCK)
    b = Pin("b", "2.0", None, frozenset({"99"}))
    none_fits = "b 2.0: the lock has no hash of a wheel"
    assert unlocked(packages, [Pin("a", "1.0", None, frozenset({"22"})), b]) == [none_fits]
    other = "a 1.0: the lock has no hash of a-1-win.whl, a-1-any.whl"
    assert unlocked(packages, [Pin("a", "1.0", None, frozenset({"33"})), b]) == [other, none_fits]
    assert unlocked(packages, [Pin("a", "1.1", None, frozenset({"11"})), b]) == [other, none_fits]


def test_the_locks_hold_what_is_needed_and_no_more():
    locked = by_name(found("a"), found("b"), found("c"))
    assert differences(locked, locked) == []
    assert differences(locked, by_name(found("a"), found("b", "2.0"), found("d"))) == [
        "d is needed, and not in the locks",
        "c is in the locks, and not needed",
        "b is locked as 1.0, and needed as 2.0",
    ]


@pytest.fixture
def answers(monkeypatch):
    """uv, in play: what of the packages "a" and "pyyaml" has no wheel, and what more is needed than locked."""

    class Answers:
        lacking: tuple[str, ...] = ()
        more: tuple[Found, ...] = ()

    given = Answers()

    def resolve(_, __, *options, given: str):
        lacking = next((name for name in answers.lacking if f"{name}==" in given), None)
        if lacking is not None:
            raise Unresolved(lacking, "no wheel")
        locked = [found(name, "1.0", "11") for name in ("a", "pyyaml") if name not in answers.lacking]
        return by_name(*locked, *(() if "--no-deps" in options else answers.more))

    answers = given
    monkeypatch.setattr(platforms, "resolve", resolve)
    return answers


LOCKED = [Pin("a", "1.0", None, frozenset({"11"})), Pin("pyyaml", "1.0", None, frozenset({"11"}))]


@pytest.mark.usefixtures("answers")
def test_a_platform_with_all_wheels():
    assert check(Target(WINDOWS, "3.12"), LOCKED) == Cell(2)


def test_a_package_without_a_wheel_fails(answers):
    answers.lacking = ("pyyaml", "a")
    assert check(Target(WINDOWS, "3.12"), LOCKED) == Cell(0, ("a has no wheel", "pyyaml has no wheel"))


def test_a_python_that_is_refused_anyway_must_stay_without_its_wheel(answers):
    answers.lacking = ("pyyaml",)
    assert check(Target(WINDOWS, "3.11"), LOCKED) == Cell(1, (), frozenset({"pyyaml"}))
    answers.lacking = ()
    said = "pyyaml has a wheel by now: bootstrap.py need not refuse it"
    assert check(Target(WINDOWS, "3.11"), LOCKED).wrong == (said,)


@pytest.mark.usefixtures("answers")
def test_a_wheel_whose_hash_is_not_locked_fails():
    locked = [LOCKED[0], Pin("pyyaml", "1.0", None, frozenset({"99"}))]
    assert check(Target(WINDOWS, "3.12"), locked).wrong == ("pyyaml 1.0: the lock has no hash of pyyaml-11.whl",)


def test_a_dependency_that_is_not_locked_fails(answers):
    answers.more = (found("c"),)
    assert check(Target(WINDOWS, "3.12"), LOCKED).wrong == ("c is needed, and not in the locks",)


def test_no_resolution_for_another_reason_fails(answers):
    answers.lacking = ("",)
    wrong = check(Target(WINDOWS, "3.12"), [Pin("", "1.0", None, frozenset())]).wrong
    assert wrong == ("uv could not resolve: no wheel",)


def test_the_table():
    cells = {("x", "3.11"): Cell(1, (), frozenset({"a"})), ("x", "3.12"): Cell(9), ("y", "3.11"): Cell(0, ("b", "c"))}
    cells["y", "3.12"] = Cell(8)
    assert table(cells).splitlines() == [
        "| packages with a locked wheel | 3.11 | 3.12 |",
        "| --- | --- | --- |",
        "| x | no wheel: a | 9 ok |",
        "| y | FAILED: 2 | 8 ok |",
    ]


@pytest.mark.parametrize(
    ("target", "tag"),
    [
        (Target("x86_64-manylinux_2_28", "3.12"), "manylinux_2_28_x86_64"),
        (Target("x86_64-pc-windows-msvc", "3.12"), "win_amd64"),
        (Target("aarch64-apple-darwin", "3.12", {"MACOSX_DEPLOYMENT_TARGET": "14.0"}), "macosx_14_0_arm64"),
    ],
)
def test_uv_takes_the_platforms_wheel_with_its_hash(wheels, target, tag):
    made = {t: wheels("thing", f"cp312-cp312-{t}") for t in ("manylinux_2_28_x86_64", "win_amd64", "macosx_14_0_arm64")}
    (wheel,) = resolve(target, ["-"], given="thing==1.0")["thing"].wheels
    assert wheel.file == made[tag].name
    assert wheel.sha256 == hashlib.sha256(made[tag].read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "target",
    [
        Target("aarch64-manylinux_2_34", "3.12"),
        Target("x86_64-manylinux_2_17", "3.12"),
        Target("aarch64-apple-darwin", "3.12", {"MACOSX_DEPLOYMENT_TARGET": "13.0"}),
        Target(WINDOWS, "3.12"),
        Target("x86_64-pc-windows-msvc", "3.13"),
    ],
    ids=lambda target: f"{target.platform} {target.python}",
)
def test_uv_refuses_what_has_no_wheel_for_the_platform(wheels, target):
    for tag in ("manylinux_2_28_x86_64", "win_amd64", "macosx_14_0_arm64"):
        wheels("thing", f"cp312-cp312-{tag}")
    with pytest.raises(Unresolved) as e:
        resolve(target, ["-"], given="thing==1.0")
    assert e.value.package == "thing"


def test_uv_goes_by_the_markers_of_the_platform(wheels):
    wheels("thing")
    wheels("other")
    given = "thing==1.0 ; sys_platform == 'win32'\nother==1.0 ; platform_machine == 'arm64' and python_version > '3.12'"
    assert {*resolve(Target("x86_64-pc-windows-msvc", "3.12"), ["-"], given=given)} == {"thing"}
    assert {*resolve(Target("aarch64-apple-darwin", "3.13"), ["-"], given=given)} == {"other"}
    assert {*resolve(Target("aarch64-manylinux_2_34", "3.13"), ["-"], given=given)} == set()


def test_the_platforms_are_those_of_the_set_up():
    spec = importlib.util.spec_from_file_location("venv_setup", ROOT / "lib" / "venv_setup.py")
    venv_setup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(venv_setup)
    names = {
        "linux-x86_64": "x86_64-manylinux_{}_{}",
        "linux-aarch64": "aarch64-manylinux_{}_{}",
        "darwin-arm64": "aarch64-apple-darwin",
        "win-amd64": "x86_64-pc-windows-msvc",
        "win-arm64": WINDOWS,
    }
    assert {names[build].format(*least) for build, least in venv_setup.FIT.items()} == platforms.PLATFORMS.keys()
    macos = platforms.PLATFORMS["aarch64-apple-darwin"]["MACOSX_DEPLOYMENT_TARGET"]
    assert (int(macos.partition(".")[0]),) == venv_setup.FIT["darwin-arm64"]


def test_an_unknown_platform_is_bad_usage(capsys):
    with pytest.raises(SystemExit) as end:
        platforms.main(["sparc"])
    assert end.value.code == 2
    assert "sparc: one of x86_64-manylinux_2_28, " in capsys.readouterr().err


def test_uv_is_led_to_the_index_that_pip_is_set_to():
    settings = ["global.cert='x'", "global.index-url='http://127.0.0.1:1/simple'"]
    assert as_uv(settings, {}) == {"UV_DEFAULT_INDEX": "http://127.0.0.1:1/simple"}
    nearer = [*settings, ":env:.index-url='http://127.0.0.1:2/simple'"]
    assert as_uv(nearer, {}) == {"UV_DEFAULT_INDEX": "http://127.0.0.1:2/simple"}
    assert as_uv(nearer, {"UV_DEFAULT_INDEX": "http://127.0.0.1:3/simple"}) == {}
    assert as_uv(["global.cert='x'"], {}) == {}
