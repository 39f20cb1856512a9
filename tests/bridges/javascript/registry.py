"""A small npm registry on this machine, so that installing can be tested in every detail."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Registry:
    """Serves packages over HTTP as the npm registry does, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self._documents: dict[str, dict[str, Any]] = {}
        self._tarballs: dict[str, bytes] = {}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.requests.append(self.path)
                status, body = registry._answer(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Registry:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def publish(
        self, name: str, version: str, files: Mapping[str, str], **manifest: Any
    ) -> dict[str, Any]:
        """Publish a version, which becomes the newest, and return its document."""
        package = {"name": name, "version": version, **manifest}
        archive = _tarball({"package.json": json.dumps(package), **files})
        path = f"/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
        self._tarballs[path] = archive
        integrity = base64.b64encode(hashlib.sha512(archive).digest()).decode()
        package["dist"] = {
            "tarball": self.url.rstrip("/") + path,
            "integrity": f"sha512-{integrity}",
            "shasum": hashlib.sha1(archive).hexdigest(),
        }
        document = self._documents.setdefault(name, {"name": name, "dist-tags": {}, "versions": {}})
        document["versions"][version] = package
        document["dist-tags"]["latest"] = version
        return package

    def tag(self, name: str, tag: str, version: str) -> None:
        self._documents[name]["dist-tags"][tag] = version

    def replace_tarball(self, name: str, version: str) -> None:
        """Serve other content under the same version, as a registry that was broken into."""
        path = f"/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
        self._tarballs[path] = _tarball(
            {"package.json": json.dumps({"name": name, "version": version}), "index.js": "evil()"}
        )

    def _answer(self, path: str) -> tuple[int, bytes]:
        if path in self._tarballs:
            return 200, self._tarballs[path]
        document = self._documents.get(path.strip("/").replace("%2f", "/"))
        if document is None:
            return 404, b'{"error": "Not found"}'
        return 200, json.dumps(document).encode()


def _tarball(files: Mapping[str, str]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
