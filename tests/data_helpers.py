"""What the data tests share: real data or a reasoned skip, and a loopback server that misbehaves."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from src.datamodules.fashion_mnist import DEBIAN_FOLDER, FILES

DATA_DIR = Path(os.environ.get("DATA_DIR") or "data")


def require_data(path: Path | None, reason: str) -> Path:
    """The path where it exists; else the test skips with the reason, or fails under REQUIRE_DATA=1."""
    if path is not None and path.exists():
        return path
    if os.environ.get("REQUIRE_DATA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def require_ads() -> Path:
    """The real Social_Network_Ads.csv."""
    path = DATA_DIR / "Social_Network_Ads.csv"
    return require_data(path, f"Social_Network_Ads.csv is not in {DATA_DIR}")


def require_fashion_mnist() -> Path:
    """The folder to give as data_dir so that the real Fashion-MNIST is found."""
    folders = [DATA_DIR / "fashion_mnist", DATA_DIR, DEBIAN_FOLDER]
    found = all(any((folder / f"{name}{end}").is_file() for folder in folders for end in ("", ".gz")) for name in FILES)
    reason = f"Fashion-MNIST is neither in {DATA_DIR} nor in {DEBIAN_FOLDER} (apt: dataset-fashion-mnist)"
    return require_data(DEBIAN_FOLDER if found and DEBIAN_FOLDER.exists() else DATA_DIR if found else None, reason)


@contextmanager
def serving(contents: dict[str, bytes]) -> Iterator[str]:
    """The address of a server of these files, which behaves as the first part of a path says.

    /good/NAME is the file; /cut/NAME half of it under its full length; /short/NAME half of it, and no length;
    /altered/NAME its last byte flipped; /stalled/NAME half of it, then silence; /slow/NAME in 20 pieces over
    half a second; /broken/NAME answers 500; all else 404.
    """
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            behaviour, _, name = self.path.strip("/").partition("/")
            content = contents.get(name)
            if content is None or behaviour == "broken":
                return self.send_error(404 if content is None else 500)
            self.send_response(200)
            if behaviour != "short":
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if behaviour == "altered":
                content = content[:-1] + bytes([content[-1] ^ 1])
            if behaviour in ("cut", "short", "stalled"):
                content = content[: len(content) // 2]
            step = -(-len(content) // 20) if behaviour == "slow" else len(content)
            for start in range(0, len(content), step):
                self.wfile.write(content[start : start + step])
                if behaviour == "slow":
                    over.wait(0.025)
            if behaviour == "stalled":
                self.wfile.flush()
                over.wait(20)
            return None

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            pass  # the client that gave up is the test's own

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
