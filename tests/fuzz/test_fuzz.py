"""Seconds of the fuzzer: what it must find, and that it finds nothing."""

import importlib.util
import pathlib
import random

import pytest

spec = importlib.util.spec_from_file_location("fuzz", pathlib.Path(__file__).parent / "fuzz.py")
fuzz = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fuzz)


WITHOUT_TORCH = [kind for kind in fuzz.kinds() if not kind.startswith("pth")]  # PyTorch writes those files
CASES = 4


def test_changed_files_are_read_or_refused_in_one_line():
    names = list(fuzz.kinds()) if importlib.util.find_spec("torch") else WITHOUT_TORCH
    outcomes = fuzz.fuzz(names, CASES, seed=1)
    assert list(outcomes) == names
    for kind, found in outcomes.items():
        assert sum(map(len, found.values())) == CASES
        assert {name: found[name] for name in fuzz.OUTCOMES[2:]} == {"undocumented": [], "hang": [], "crash": []}, kind


@pytest.mark.parametrize("kind", sorted(fuzz.kinds()))
def test_without_a_change_each_file_is_read(kind, monkeypatch):
    if kind.startswith("pth"):
        pytest.importorskip("torch", reason="PyTorch, which writes these files, is not installed")
    monkeypatch.setattr(fuzz, "changed_bytes", lambda rng, data: data)
    monkeypatch.setattr(fuzz, "changed_value", lambda rng, value: value)
    assert fuzz.run_case(kind, 0, 0) == ("read", "")


def test_what_is_undocumented_is_found(monkeypatch):
    def broken(rng, folder):
        raise KeyError("shape")

    monkeypatch.setattr(fuzz, "kinds", lambda: {"broken": broken})
    assert fuzz.run_case("broken", 0, 0) == ("undocumented", "KeyError: \"'shape'\"")


def test_changes_follow_from_the_seed():
    value = {"a": [1, {"b": "text"}], "c": 2.5}
    first, again = (fuzz.changed_value(random.Random(3), value) for _ in range(2))
    assert repr(first) == repr(again) and value == {"a": [1, {"b": "text"}], "c": 2.5}
    assert fuzz.changed_bytes(random.Random(3), b"0123456789") == fuzz.changed_bytes(random.Random(3), b"0123456789")
