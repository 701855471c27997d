"""Fetch the tests of the pinned PEFT from its source distribution and run them over our methods (make test-peft).

Options are passed on to pytest. The source distribution is kept under .cache/ and checked against its hash each time.
"""

import hashlib
import importlib.metadata
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "0.21.2"
SHA256 = "b803ccfb3f3f316004d850284306687833a2235ea278fb56abc856203456142e"
HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "peft"
FILES = (
    "test_custom_models",
    "test_decoder_models",
    "test_encoder_decoder_models",
    "test_feature_extraction_models",
    "test_seq_classifier",
    "test_token_classification_qa",
)


def fetch() -> Path:
    """The source distribution, downloaded where it is not there yet. Exits where it is another one."""
    installed = importlib.metadata.version("peft")
    if installed != VERSION:
        sys.exit(
            f"peft {installed} is installed; tests/peft_suite/run.py knows the tests of {VERSION}: change its hash."
        )
    archive = CACHE / f"peft-{VERSION}.tar.gz"
    if not archive.is_file():
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*command, "-d", str(CACHE), f"peft=={VERSION}"], check=True)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{archive} has the SHA-256 {found}, not {SHA256}: delete it.")
    return archive


def unpack(archive: Path, folder: Path) -> None:
    """Its tests, as a package: they import each other relatively."""
    with tarfile.open(archive) as tar:
        members = [m for m in tar.getmembers() if m.name.startswith(f"peft-{VERSION}/tests/")]
        tar.extractall(folder, members, filter="data")
    (folder / f"peft-{VERSION}" / "tests" / "__init__.py").touch()


def main(options: list[str]) -> int:
    archive = fetch()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(archive, folder)
        sys.path.insert(0, str(HERE))
        import cases

        cases.build_models(folder / "models")
        root = folder / f"peft-{VERSION}"
        files = [f"tests/{file}.py" for file in FILES]
        command = [sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={root}", "-p", "plugin", "-q"]
        command += ["-W", "ignore", "-p", "no:cacheprovider", f"--models={folder / 'models'}", *options]
        paths = [str(HERE), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "HF_HUB_OFFLINE": "1"}
        return subprocess.run([*command, *files], cwd=root, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
