"""A small package index on this machine, so that installing can be tested in every detail."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import textwrap
import threading
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BACKEND = """
import zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    {statement}
    from wheel_bytes import NAME, CONTENT
    import base64, os
    with open(os.path.join(wheel_directory, NAME), "wb") as file:
        file.write(base64.b64decode(CONTENT))
    return NAME
"""
"""A build backend that needs no other package: the wheel lies in the source."""


def offer(index: PackageIndex, environment: dict[str, str], cache: Path) -> None:
    """Have uv take packages from an index alone, through an empty cache.

    Args:
        index: The index.
        environment: The variables of the program that starts uv; changed.
        cache: A folder for uv's cache.
    """
    for name in list(environment):
        if name.startswith(("UV_", "PIP_")):
            del environment[name]
    environment["UV_DEFAULT_INDEX"] = index.url
    environment["UV_CACHE_DIR"] = str(cache)
    environment["UV_NO_CONFIG"] = "1"


class PackageIndex:
    """Serves distributions over HTTP (PEP 503), and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.before_file = threading.Event()
        self.before_file.set()
        self._files: dict[str, dict[str, bytes]] = {}
        self._hashes: dict[str, str] = {}
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.requests.append(self.path)
                status, kind, body = index._answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):  # of a client that was ended
                    self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> PackageIndex:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.before_file.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/simple"

    def publish(
        self,
        name: str,
        version: str,
        files: Mapping[str, str] | None = None,
        *,
        needs: Sequence[str] = (),
        tag: str = "py3-none-any",
    ) -> str:
        """Publish a wheel with one module of the package's name, and return its SHA-256."""
        module = name.replace("-", "_")
        content = files or {f"{module}/__init__.py": f"__version__ = {version!r}\n"}
        wheel = make_wheel(name, version, content, needs, tag)
        return self._add(name, f"{module}-{version}-{tag}.whl", wheel)

    def publish_source(
        self, name: str, version: str, *, statement: str = "pass", backend: str = BACKEND
    ) -> str:
        """Publish only a source, which is built by itself; a statement runs in its build."""
        module = name.replace("-", "_")
        wheel = make_wheel(name, version, {f"{module}.py": "built = True\n"})
        encoded = base64.b64encode(wheel).decode()
        top = f"{module}-{version}"
        content = {
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "own_backend"\n'
            'backend-path = ["."]\n'
            f'[project]\nname = "{name}"\nversion = "{version}"\n',
            "own_backend.py": backend.format(statement=statement),
            "wheel_bytes.py": f"NAME = '{top}-py3-none-any.whl'\nCONTENT = '{encoded}'\n",
            "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n",
        }
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for path, text in content.items():
                entry = tarfile.TarInfo(f"{top}/{path}")
                entry.size = len(text.encode())
                tar.addfile(entry, io.BytesIO(text.encode()))
        return self._add(name, f"{top}.tar.gz", archive.getvalue())

    def replace_file(self, name: str, files: Mapping[str, str]) -> None:
        """Serve other content under the same file and hash, as an index that was broken into."""
        (file,) = self._files[name]
        version = file.split("-")[1]
        self._files[name][file] = make_wheel(name, version, files)

    def _add(self, name: str, file: str, content: bytes) -> str:
        self._files.setdefault(name, {})[file] = content
        self._hashes[file] = hashlib.sha256(content).hexdigest()
        return self._hashes[file]

    def _answer(self, path: str) -> tuple[int, str, bytes]:
        kind, _, rest = path.strip("/").partition("/")
        name, _, file = rest.partition("/")
        wheel = self._files.get(name, {}).get(file.removesuffix(".metadata"))
        if kind == "files" and wheel is not None and file.endswith(".metadata"):
            return 200, "text/plain", _metadata(wheel)
        if kind == "files" and wheel is not None:
            self.before_file.wait(60)
            return 200, "application/octet-stream", wheel
        if kind == "simple" and name in self._files:
            links = "".join(
                f'<a href="/files/{name}/{file}#sha256={self._hashes[file]}"'
                f"{_METADATA if file.endswith('.whl') else ''}>{file}</a>\n"
                for file in self._files[name]
            )
            page = f"<!DOCTYPE html><html><body>{links}</body></html>"
            return 200, "text/html", page.encode()
        return 404, "text/plain", b"not found"


_METADATA = ' data-core-metadata="true"'
"""Says that the metadata of a wheel can be had alone (PEP 658)."""


def _metadata(wheel: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name)


def make_wheel(
    name: str,
    version: str,
    files: Mapping[str, str],
    needs: Sequence[str] = (),
    tag: str = "py3-none-any",
) -> bytes:
    """Return the content of a wheel; the same for the same arguments."""
    information = f"{name.replace('-', '_')}-{version}.dist-info"
    requirements = "".join(f"Requires-Dist: {text}\n" for text in needs)
    extras = "".join(f"Provides-Extra: {e}\n" for e in ("more",) if "extra ==" in requirements)
    content = {
        **files,
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + extras
        + requirements,
        f"{information}/WHEEL": textwrap.dedent(
            f"""\
            Wheel-Version: 1.0
            Generator: tests
            Root-Is-Purelib: true
            Tag: {tag}
            """
        ),
    }
    record = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in content.items())
    content[f"{information}/RECORD"] = f"{record}{information}/RECORD,,\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as wheel:
        for path, text in content.items():
            wheel.writestr(zipfile.ZipInfo(path), text)
    return archive.getvalue()


def _digest(text: str) -> str:
    hashed = hashlib.sha256(text.encode()).digest()
    return f"sha256={base64.urlsafe_b64encode(hashed).decode().rstrip('=')}"
