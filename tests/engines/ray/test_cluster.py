"""Test how clusters are chosen, started, used and left."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engines.ray.test_engine import squares, wait_for
from onegrain.engines import engine_named
from onegrain.errors import EngineError, ParameterError

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'onegrain[ray]'")


WITHOUT_RAY = """
import sys
sys.modules["ray"] = None
from onegrain.engines import engine_named
from onegrain.errors import MissingExtraError
engine_named("local")
try:
    engine_named("ray")
except MissingExtraError as error:
    print(error)
"""


def test_without_ray_the_extra_is_named() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT_RAY], capture_output=True, text=True, check=True)
    assert "pip install 'onegrain[ray]'" in run.stdout


STREAM = """
import json, logging, os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
term = signal.getsignal(signal.SIGTERM)
from onegrain.engines import engine_named
from onegrain.errors import OnegrainError

mark, seconds = sys.argv[2], float(sys.argv[3])

def start():
    def work(item, advance):
        if item == 1 and not os.path.exists(mark):
            open(mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        print("a worker's noise")
        time.sleep(seconds)
        return item, os.getcwd()
    return work

import ray
try:
    engine = engine_named("ray", address=sys.argv[1] or None, workers=2)
    for result in engine.stream(start, range(9), lambda done: None):
        address = ray.get_runtime_context().gcs_address
        print(json.dumps([*result, address]), flush=True)
except OnegrainError as error:
    print(type(error).__name__, error)
except KeyboardInterrupt:
    print("interrupted")
assert not ray.is_initialized()
assert signal.getsignal(signal.SIGTERM) == term
"""


def command(address: str, mark: Path, seconds: float = 0.0) -> list[str]:
    return [sys.executable, "-c", STREAM, address, str(mark), str(seconds)]


def test_a_cluster_of_this_machine_is_started_and_ended_without_a_word_by_ctrl_c_too(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("local", tmp_path / "mark", 0.5),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    rows = [json.loads(process.stdout.readline()) for _ in range(5)]
    assert [row[0] for row in rows] == list(range(5))
    assert (tmp_path / "mark").exists(), "a worker was killed, and nothing is said of it"
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("raylet" in member.name() for member in family)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "interrupted", err
    assert all(line.startswith("[") for line in out.splitlines()[:-1])
    assert err == ""
    assert process.returncode == 0
    assert wait_for(lambda: not any(member.is_running() and member.status() != "zombie" for member in family))


ON_TWO_GPUS = """
import os, ray
from onegrain.engines import engine_named

ray.init("local", num_cpus=2, num_gpus=2, object_store_memory=10**8, log_to_driver=False)

def start():
    import time
    def work(item, advance):
        time.sleep(0.3)
        return os.environ["CUDA_VISIBLE_DEVICES"]
    return work

print(sorted(set(engine_named("ray").stream(start, range(8), lambda done: None))))
"""


@pytest.mark.slow
def test_each_worker_has_one_gpu() -> None:
    """Ray starts with two pretended GPUs and lets each worker see one of them."""
    run = subprocess.run([sys.executable, "-c", ON_TWO_GPUS], capture_output=True, text=True, check=False)
    assert run.stdout.splitlines()[-1] == "['0', '1']", run.stderr


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the address of a running cluster that requires a token, and an environment with the token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="og-", dir="/tmp")  # the paths of its sockets must be short
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment = {**os.environ, **token, "RAY_USAGE_STATS_ENABLED": "0"}
    environment.pop("RAY_ADDRESS", None)
    head = subprocess.Popen(
        [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}",
            "--node-ip-address=127.0.0.1", "--num-cpus=2", "--num-gpus=0", "--object-store-memory=200000000",
            "--include-dashboard=false", f"--temp-dir={folder}", "--disable-usage-stats",
        ],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert head.stdout is not None
    for line in head.stdout:
        if "runtime started" in line:
            break
    yield f"127.0.0.1:{port}", environment
    family = psutil.Process(head.pid).children(recursive=True)
    for process in [psutil.Process(head.pid), *family]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    head.wait(timeout=30)
    psutil.wait_procs(family, timeout=30)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("way", ["argument", pytest.param("environment", marks=pytest.mark.slow)])
def test_a_running_cluster_is_used_and_left_running(
    cluster: tuple[str, dict[str, str]], tmp_path: Path, way: str
) -> None:
    address, environment = cluster
    settings = {
        "argument": (address, environment),
        "environment": ("", {**environment, "RAY_ADDRESS": address}),
    }[way]
    run = subprocess.run(
        command(settings[0], tmp_path / "mark"),
        capture_output=True,
        text=True,
        check=True,
        env=settings[1],
        cwd=tmp_path,
    )
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert [row[0] for row in rows] == list(range(9)), run.stdout
    assert {row[2].rpartition(":")[2] for row in rows} == {address.rpartition(":")[2]}
    socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=5).close()
    assert (tmp_path / "mark").exists()
    assert run.stderr == ""


def test_a_missing_cluster_is_reported_at_once() -> None:
    ray.shutdown()
    for address, reason in (("127.0.0.1:1", "refused"), ("nonsense", "Invalid address")):
        with pytest.raises(EngineError, match=f"{address}: .*{reason}.*ray start --head"):
            list(engine_named("ray", address=address).stream(squares(), [1], print))
    with pytest.raises(ParameterError, match="Ray Client"):
        list(engine_named("ray", address="ray://127.0.0.1:10001").stream(squares(), [1], print))
