"""One set of versions: the lock, pyproject.toml and environment.yml must not drift apart."""

import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
ENVIRONMENT = (ROOT / "environment.yml").read_text(encoding="utf-8")

PLATFORMS = {
    "Linux x86-64": {"sys_platform": "linux", "platform_machine": "x86_64"},
    "Linux aarch64": {"sys_platform": "linux", "platform_machine": "aarch64"},
    "macOS arm64": {"sys_platform": "darwin", "platform_machine": "arm64"},
    "Windows": {"sys_platform": "win32", "platform_machine": "AMD64"},
}


def pins(platform: str, python: str = "3.12") -> dict[str, Version]:
    """What the lock installs on a platform."""
    environment = default_environment() | PLATFORMS[platform]
    environment |= {"python_version": python, "python_full_version": f"{python}.1"}
    result = {}
    for line in re.findall(r"^([A-Za-z0-9][^\s].*?) \\$", LOCK, re.M):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in result, f"{name} is pinned twice on {platform}"
            result[name] = Version(str(requirement.specifier).removeprefix("=="))
    return result


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]["test"]
    return [Requirement(line) for line in PROJECT["dependencies"] + extras]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_lock_pins_what_the_project_asks_for(platform, python):
    pinned = pins(platform, python)
    environment = default_environment() | PLATFORMS[platform]
    for requirement in requirements():
        if requirement.marker is None or requirement.marker.evaluate(environment):
            version = pinned[canonicalize_name(requirement.name)]
            assert version in requirement.specifier, f"{requirement} is locked at {version}"


@pytest.mark.parametrize(
    ("platform", "package"),
    [
        ("Linux x86-64", "tensorflow-cpu"),
        ("Windows", "tensorflow-cpu"),
        ("Linux aarch64", "tensorflow"),
        ("macOS arm64", "tensorflow"),
    ],
)
def test_the_cpu_build_of_tensorflow_wherever_there_is_one(platform, package):
    pinned = pins(platform)
    assert [name for name in pinned if name in ("tensorflow", "tensorflow-cpu")] == [package]
    assert str(pinned[package]).startswith("2.21.")


def test_no_gpu_wheels_in_the_lock():
    assert not re.search(r"^(nvidia|cuda|triton)", LOCK, re.M | re.I)


def test_every_pin_has_hashes_and_no_address():
    blocks = re.split(r"^(?=[A-Za-z0-9])", LOCK.split("make lock", 1)[1], flags=re.M)[1:]
    assert len(blocks) > 80
    assert all("--hash=sha256:" in block for block in blocks)
    for name in ("requirements.lock", "environment.yml", "Makefile", ".ci/run", "pyproject.toml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://|--index-url|--extra-index", text), name


def test_the_versions_that_run_are_those_of_the_lock():
    key = {"linux": "Linux x86-64", "darwin": "macOS arm64", "win32": "Windows"}[sys.platform]
    pinned = pins(key, f"{sys.version_info.major}.{sys.version_info.minor}")
    for name in ("keras", "numpy", "matplotlib", "ipywidgets", "jupyterlab", "nbval"):
        assert Version(version(name)) == pinned[name], f"{name}: run `make test` again"


def test_environment_yml_asks_for_the_same_and_says_what_needs_it():
    listed = ENVIRONMENT.split("dependencies:")[1].replace("- pip:", "")
    lines = re.findall(r"^ +- +([^#\n]+?)(?: +# (.+))?$", listed, re.M)
    assert all(reason for _, reason in lines), "each line says what needs it"
    wanted = [line for line, _ in lines]
    assert "-e ." in wanted and "pip" in wanted
    rest = [line for line in wanted if line not in ("-e .", "pip", f"python={python_of_binder()}")]
    given = {Requirement(line).name: Requirement(line) for line in rest}
    expected = {r.name: r for r in requirements() if r.name != "ruff"}
    assert set(given) == set(expected)
    for name, requirement in expected.items():
        assert given[name].specifier == requirement.specifier, name
        assert str(given[name].marker) == str(requirement.marker), name


def python_of_binder() -> str:
    """What repo2docker reads in environment.yml, by its pattern; its default is too old for Keras.

    `PYTHON_REGEX` in repo2docker/buildpacks/conda/__init__.py, matched with each dependency.
    """
    lines = re.findall(r"^  - +(.+?)(?: +#.*)?$", ENVIRONMENT, re.M)
    versions = [m[1] for line in lines if (m := re.match(r"python\s*=+\s*([\d\.]*)", line))]
    return ".".join((versions or ["3.10"])[0].split(".")[:2])


def test_binder_reads_a_python_that_keras_accepts():
    assert f"{python_of_binder()}.0" in SpecifierSet(PROJECT["requires-python"])


def test_markers_split_all_machines_without_overlap():
    first, second = (
        Marker(line.split(";")[1]) for line in PROJECT["dependencies"] if "tensorflow" in line
    )
    for platform in PLATFORMS.values():
        environment = default_environment() | platform
        assert first.evaluate(environment) != second.evaluate(environment)


def test_the_two_packages_have_one_version_and_one_range_of_pythons():
    folder = ROOT / "maskprobe" / "pyproject.toml"
    probes = tomllib.loads(folder.read_text(encoding="utf-8"))["project"]
    assert probes["version"] == PROJECT["version"]
    assert probes["requires-python"].split(",")[0] == PROJECT["requires-python"].split(",")[0]
    assert [Requirement(line).name for line in probes["dependencies"]] == ["numpy"]
