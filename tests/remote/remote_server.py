"""A real S3 server on this machine: versitygw over a folder, built once with Go and kept outside of the repository."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

VERSION = "v1.8.0"
MODULE = "github.com/versity/versitygw/cmd/versitygw"
BUILD_SECONDS_MAX = 110
START_SECONDS_MAX = 20

ACCESS, SECRET = "rhizome-access-key", "rhizome-secret-key-in-no-message"


def binary() -> Path:
    """The server's program; a skipped test with the reason where it cannot be had."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rhizomedb-test"
    program = cache / f"versitygw-{VERSION}"
    if program.exists():
        return program
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if go is None:
        pytest.skip("no S3 server: neither versitygw in the cache nor Go to build it")
    cache.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with (cache / "lock").open("w") as lock:  # several processes test at once, one builds
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            if time.monotonic() - started > BUILD_SECONDS_MAX / 2:
                pytest.skip("no S3 server: another process could not build versitygw")
            build(go, program)
    return program


def build(go: str, program: Path) -> None:
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        environment = {**os.environ, "GOBIN": folder, "GOTOOLCHAIN": "local"}
        try:
            done = subprocess.run(
                [go, "install", "-ldflags=-s -w", f"{MODULE}@{VERSION}"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=BUILD_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"no S3 server: building versitygw took more than {BUILD_SECONDS_MAX} s")
        if done.returncode:
            pytest.skip(f"no S3 server: go install failed: {done.stderr.strip()[-300:]}")
        os.replace(Path(folder) / "versitygw", program)


class Server:
    """One versitygw; it can be stopped and started again, over the same data and at the same port."""

    def __init__(self, folder: Path) -> None:
        self.program = binary()
        self.data, self.side = folder / "data", folder / "side"
        for each in (self.data, self.side):
            each.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a client is told."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_REGION": "us-east-1",
        }

    def bucket(self, name: str) -> str:
        (self.data / name).mkdir(exist_ok=True)
        return f"s3://{name}"

    def start(self) -> None:
        backend = ["posix", "--sidecar", str(self.side), str(self.data)]
        self.process = subprocess.Popen(
            [str(self.program), "--port", f"127.0.0.1:{self.port}", "--quiet", *backend],
            env={**os.environ, "ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        pytest.skip("no S3 server: versitygw does not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
