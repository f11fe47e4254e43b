"""Extractions to stores at a URL, and changes to their objects without the library."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import onegrain as og
from onegrain.activations import extract
from support import TESTS
from support.tiny import plain_corpus


def run(models, url: str, **options) -> og.Activations:
    return extract(models["nlm"], plain_corpus(), url, **options)


def rewrite(server: S3Server, url: str, name: str, change: Callable[[bytes], bytes | None]) -> bytes:
    """Change or remove an object without the library, and return its old content."""
    bucket, _, key = f"{url.removeprefix('s3://')}/{name}".partition("/")
    client = server.client()
    was = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    now = change(was)
    if now is None:
        client.delete_object(Bucket=bucket, Key=key)
    else:
        client.put_object(Bucket=bucket, Key=key, Body=now)
    return was


def flipped(index: int) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        spoilt = bytearray(data)
        spoilt[index] ^= 4
        return bytes(spoilt)

    return change


if TYPE_CHECKING:
    from support.s3_server import S3Server

KILLED = TESTS / "activations/store/places/killed_remote.py"


def script(server: S3Server, *arguments: object) -> subprocess.Popen:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, KILLED, *(str(argument) for argument in arguments)],
        env={**os.environ, **server.environment(), "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def lease_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "onegrain-lease"]
