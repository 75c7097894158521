"""What a machine is said to have, of made files of the system."""

import os
import warnings

import pytest

from mrcnn.config import Config
from mrcnn.training import machine


def test_a_container_has_less_than_the_machine(tmp_path, monkeypatch):
    limit, usage, stat = (tmp_path / name for name in ("max", "current", "stat"))
    limit.write_text("4000000000\n")
    usage.write_text("3000000000\n")
    stat.write_text("anon 1\ninactive_file 500000000\nactive_file 100\n")
    monkeypatch.setattr(machine, "CGROUPS", ((limit, usage, stat),))
    monkeypatch.setattr(machine, "_of_system", lambda: 20_000_000_000)
    assert machine.free_memory() == 4_000_000_000 - 3_000_000_000 + 500_000_100  # files read can be dropped
    limit.write_text("max\n")
    assert machine.free_memory() == 20_000_000_000
    monkeypatch.setattr(machine, "_of_system", lambda: None)
    assert machine.free_memory() is None


def test_cores_and_memory_of_this_machine():
    assert 1 <= machine.cores() <= os.cpu_count()
    now = machine.held_memory()
    held = bytearray(os.urandom(1 << 20) * 64)
    grown = machine.held_memory()
    assert grown - now > 0.9 * len(held)
    del held
    assert machine.held_memory(most=True) >= 0.9 * grown
    if os.access("/proc/self/clear_refs", os.W_OK):
        machine.forget_most_held()
        assert machine.held_memory(most=True) - machine.held_memory() < 0.5 * (64 << 20)


def test_no_gpu_is_found_without_its_program_or_where_it_is_hidden(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 81559\necho 81559\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert machine.gpu_memory() == 81559 * 2**20
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine.gpu_memory() is None
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    program.write_text("#!/bin/sh\nexit 9\n")
    assert machine.gpu_memory() is None


@pytest.mark.parametrize("visible, wanted", [
    (None, 8192), ("1", 81559), ("1,0", 81559), (" 1 , 0", 81559), ("GPU-b", 81559), ("0", 8192), ("", None),
    ("-1,0", None), ("MIG-c", None), ("7", None),
])
def test_the_gpu_is_the_first_that_this_process_may_use(visible, wanted, monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text('''#!/bin/sh
case "$1 $2" in
"-i 1"|"-i GPU-b") echo 81559;;
"-i 0"|"-i GPU-a") echo 8192;;
-i*) echo "No devices were found"; exit 6;;
*) echo 8192; echo 81559;;
esac
''')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpu_memory() == (wanted and wanted * 2**20)


@pytest.mark.parametrize("visible, wanted", [("MIG-c", True), (" MIG-c,0", True), ("0,MIG-c", False), (None, False)])
def test_a_part_of_a_gpu_is_no_missing_gpu(visible, wanted, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert not machine.names_part_of_gpu()  # without the driver's program
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert machine.names_part_of_gpu() == wanted


@pytest.mark.parametrize("told, bfloat16, float16", [
    ("flags\t\t: fpu avx512f avx512_bf16 amx_tile\n", True, False), ("Features : fp asimdhp bf16\n", True, True),
    ("model name\t: bf16 \xb5\nflags\t: fpu avx512_fp16\n", False, True), ("flags : fpu\n", False, False),
    ("processor : 0\n", None, None), (None, None, None),
])
def test_arithmetic_is_what_the_system_tells(told, bfloat16, float16, tmp_path):
    path = tmp_path / "cpuinfo"
    if told is not None:
        path.write_text(told, encoding="latin-1")
    assert machine.has_arithmetic("mixed_bfloat16", str(path)) is bfloat16
    assert machine.has_arithmetic("mixed_float16", str(path)) is float16
    assert machine.has_arithmetic("float32", str(path)) is True


@pytest.mark.parametrize("precision, known, better", [
    ("mixed_bfloat16", {"mixed_bfloat16": False}, "float32"),
    ("mixed_float16", {"mixed_float16": False, "mixed_bfloat16": False}, "float32"),
    ("mixed_float16", {"mixed_float16": False, "mixed_bfloat16": True}, "mixed_bfloat16"),
    ("mixed_float16", {"mixed_float16": True}, None), ("mixed_bfloat16", {"mixed_bfloat16": None}, None),
])
def test_a_precision_that_the_processor_has_not_is_told(precision, known, better, monkeypatch):
    monkeypatch.setattr(machine, "has_arithmetic", known.get)
    if better:
        with pytest.warns(UserWarning, match=f"PRECISION='{precision}': .*'{better}' is likely faster"):
            machine.warn_of_slow_precision(precision)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            machine.warn_of_slow_precision(precision)


SEVERAL = [("rectangle", {}), ("pad64", {}), ("none", {}), ("rectangle", {"ASPECT_BUCKETS": True})]
ONE = [("square", {}), ("crop", {}), ("rectangle", {"IMAGE_MIN_DIM": 0, "IMAGE_MAX_DIM": 64})]


@pytest.mark.parametrize("mode, others", SEVERAL)
def test_batches_of_several_shapes_are_told_on_jax(mode, others, monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    remedy = "square and ASPECT_BUCKETS=False has" if others else "square has"
    with pytest.warns(UserWarning, match=f"for each shape.*IMAGE_RESIZE_MODE={mode} shapes .*{remedy}.*CACHE_DIR"):
        machine.warn_of_shapes(Config(IMAGE_RESIZE_MODE=mode, **others))


@pytest.mark.parametrize("backend, cases", [("jax", ONE), ("tensorflow", SEVERAL), ("torch", SEVERAL)])
def test_batches_of_one_shape_and_other_backends_say_nothing(backend, cases, monkeypatch, recwarn):
    monkeypatch.setattr("keras.backend.backend", lambda: backend)
    for mode, others in cases:
        machine.warn_of_shapes(Config(IMAGE_RESIZE_MODE=mode, **others))
    assert not recwarn.list
