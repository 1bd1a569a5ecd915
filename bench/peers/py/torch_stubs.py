"""Lets the CUDA build of PyTorch load where no CUDA is installed: for each library of the GPU side that it names, a
library with the same symbols that do nothing. Run by the Python that PyTorch is installed for."""

import os
import platform
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

# What the code calls at once to learn whether there is a GPU; 100 is cudaErrorNoDevice.
DEVICE_COUNT = "int cudaGetDeviceCount(int *count) { *count = 0; return 100; }"


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def loads():
    return subprocess.run([sys.executable, "-W", "ignore", "-c", "import torch"], capture_output=True).returncode == 0


def needed(library):
    """The libraries that one asks the loader for."""
    return re.findall(r"\(NEEDED\).*\[(.+)\]", output("readelf", "--dynamic", "--wide", library))


def origins(library):
    """Which library each symbol version of a library is to come from."""
    found, source = {}, None
    for line in output("readelf", "--version-info", "--wide", library).splitlines():
        if file := re.search(r"File: (\S+)", line):
            source = file[1]
        elif (name := re.search(r"Name: (\S+)\s+Flags", line)) and source:
            found[name[1]] = source
    return found


def undefined(library):
    """Pairs of symbol and version (or nothing) that a library takes from others; weak ones may be missing."""
    for line in output("nm", "--dynamic", "--undefined-only", library).splitlines():
        kind, symbol = line.split()[-2:]
        if kind == "U":
            name, _, version = symbol.partition("@")
            yield name, version.lstrip("@")


def defined(library):
    for line in output("nm", "--dynamic", "--defined-only", library).splitlines():
        yield line.split()[-1].partition("@")[0]


def source_of(symbols):
    """C in which every symbol is another name of one function that returns 0."""
    lines = ["int neuroxide_nothing(void) { return 0; }"]
    for name in sorted(symbols):
        alias = f'int {name}(void) __attribute__((alias("neuroxide_nothing")));'
        lines.append(DEVICE_COUNT if name == "cudaGetDeviceCount" else alias)
    return "\n".join(lines)


def build(path, versions):
    """A library with symbols by version; those without a version are under the empty one."""
    with tempfile.TemporaryDirectory() as folder:
        code, script = Path(folder, "stub.c"), Path(folder, "stub.map")
        code.write_text(source_of(set().union(*versions.values())))
        named = {version: names for version, names in versions.items() if version}
        script.write_text("\n".join(f"{v} {{ global: {' '.join(f'{n};' for n in sorted(names))} }};" for v, names in named.items()))
        flags = [f"-Wl,--version-script={script}"] if named else []
        # The names are those of functions with other types, some of them the compiler's own.
        command = ["cc", "-shared", "-fPIC", "-fno-builtin", "-w", *flags, f"-Wl,-soname,{path.name}", "-o", path, code]
        subprocess.run(command, check=True)


def main():
    if platform.system() != "Linux" or loads():
        return
    folder = Path(find_spec("torch").submodule_search_locations[0], "lib")
    libraries = [path for path in folder.glob("*.so*") if not path.is_symlink()]
    there = {path.name for path in libraries}
    asked = {name for path in libraries for name in needed(path)} - there
    gpu = sorted(name for name in asked if re.match(r"lib(cu|nv|nccl)", name))
    if not gpu:
        sys.exit("torch does not load, and not for want of CUDA: python -c 'import torch' says why")
    stubs = {name: defaultdict(set) for name in gpu}
    own = {name for path in libraries for name in defined(path)}
    for path in libraries:
        source = origins(path)
        for name, version in undefined(path):
            if version and source.get(version) in stubs:
                stubs[source[version]][version].add(name)
            elif not version and name not in own:
                # From a library without versions; the loader looks through all, so any one will do.
                stubs[gpu[-1]][""].add(name)
    for name, versions in stubs.items():
        build(folder / name, versions or {"": set()})
    if not loads():
        sys.exit("torch does not load with these libraries: python -c 'import torch' says why")


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    main()
