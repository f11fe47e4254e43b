"""A real S3-compatible server on loopback: moto's, one request at a time.

Conditional writes are therefore atomic, as on S3. The server logs its requests; tests can make it refuse some
or call a function after one.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from typing import Any

import boto3
from botocore.config import Config
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server

__all__ = ["S3Server"]

KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"}
NUMBERS = itertools.count()


class _Silent(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        pass


class S3Server:
    """A server on a port of 127.0.0.1, which is the same after a restart; moto keeps the buckets.

    Attributes:
        requests: method and path of every request.
        refuse: called with method and path; returns the status (403, 503) to refuse the request with, or None.
        after: called with method and path after a request was answered.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.refuse: Callable[[str, str], int | None] = lambda method, path: None
        self.after: Callable[[str, str], None] = lambda method, path: None
        self._application = DomainDispatcherApplication(create_backend_app)
        self._one_at_a_time = threading.Lock()
        self._port = 0
        self.start()

    def start(self) -> None:
        self._server = make_server(
            "127.0.0.1", self._port, self._answer, threaded=True, request_handler=_Silent
        )
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def environment(self) -> dict[str, str]:
        """Return the settings with which s3fs finds the server, and gives up soon if it is stopped."""
        return {
            **KEYS,
            "AWS_ENDPOINT_URL": self.address,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nowhere",
            "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        }

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="tests",
            aws_secret_access_key="tests",
            config=Config(retries={"max_attempts": 1}),
        )

    def new_bucket(self) -> str:
        name = f"bucket-{next(NUMBERS)}"
        self.client().create_bucket(Bucket=name)
        return name

    def content(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        """Return every object below a prefix, by the rest of its key."""
        client = self.client()
        listed = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return {
            entry["Key"].removeprefix(prefix): client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            for entry in listed
        }

    def lose_bucket(self, bucket: str) -> None:
        """Delete the bucket and its objects; ``after`` may do so between two requests."""
        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        backend.get_bucket(bucket).keys.clear()
        backend.delete_bucket(bucket)

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        with self._one_at_a_time:
            self.requests.append(request)
            status = self.refuse(*request)
            if status is not None:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                code = {403: "AccessDenied", 503: "ServiceUnavailable"}[status]
                body = f"<Error><Code>{code}</Code><Message>Not now.</Message></Error>".encode()
                body = b"" if request[0] == "HEAD" else body
                start(f"{status} No", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
                return [body]
            body = b"".join(self._application(environ, start))
            self.after(*request)
        return [body]
