#!/usr/bin/env bash
# Fills a folder with the libraries that `npm run bench:peers` compares with: setup.sh DIR [py] [tf] [js] [rs]
#
#   py  PyTorch and JAX                        0.8 GB to download, 2.3 GB on the disk, 2 minutes
#   tf  TensorFlow and Keras                   0.3 GB, 1.6 GB, 1 minute
#   js  TensorFlow.js (WebAssembly), jax-js    0.1 GB, 0.3 GB, 10 seconds
#   rs  candle and burn, compiled              0.1 GB, 1.5 GB, 15 minutes
#
# No part named means all. A part that is there already is brought to the versions below. Needs python3 with venv,
# Node, cargo, a C compiler with binutils, and the ordinary package registries. CARGO_BUILD_JOBS limits the compiling.
set -euo pipefail

usage() { sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
[ $# -ge 1 ] || usage
case $1 in -*) usage ;; esac
parts=("${@:2}")
[ ${#parts[@]} -gt 0 ] || parts=(py tf js rs)
for part in "${parts[@]}"; do
  case $part in
    py | tf | js | rs) ;;
    *) echo "setup.sh: no part $part; there are py, tf, js and rs" >&2; exit 2 ;;
  esac
done
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)

# A virtual environment; made anew only where there is none.
environment() { [ -x "$dir/$1/bin/python" ] || python3 -m venv "$dir/$1"; }
pip_install() { "$dir/$1/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"; }

part_py() {
  environment py
  pip_install py numpy==2.* jax==0.10.2 filelock typing-extensions sympy networkx jinja2 fsspec setuptools
  # On x86 the wheel is built for CUDA, and what it depends on are some gigabytes of libraries for GPUs. It is used for
  # its CPU side alone, so it comes without them, and libraries that do nothing stand in.
  pip_install py --no-deps torch==2.15.0
  "$dir/py/bin/python" "$here/py/torch_stubs.py"
  "$dir/py/bin/python" -W ignore -c 'import torch, jax; print("torch", torch.__version__, "jax", jax.__version__)'
}

part_tf() {
  environment tf
  # Only x86 has the smaller package without GPU support.
  if [ "$(uname -m)" = x86_64 ]; then pip_install tf tensorflow-cpu==2.21.0; else pip_install tf tensorflow==2.21.0; fi
  TF_CPP_MIN_LOG_LEVEL=3 "$dir/tf/bin/python" -W ignore -c \
    'import tensorflow, keras; print("tensorflow", tensorflow.__version__, "keras", keras.__version__)' 2>/dev/null
}

part_js() {
  mkdir -p "$dir/js"
  [ -e "$dir/js/package.json" ] || echo '{ "private": true, "type": "module" }' > "$dir/js/package.json"
  (cd "$dir/js" && npm install --silent --no-fund --no-audit --ignore-scripts --save-exact \
    @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 @jax-js/jax@0.1.25)
  echo "tfjs 4.22.0 jax-js 0.1.25"
}

part_rs() {
  mkdir -p "$dir/rs/bin"
  # candle leaves AVX-512 off in the crate `gemm` that it uses; the second build switches it on.
  crate candle candle
  crate candle candle-avx512 --features avx512
  crate burn burn
}

# crate SOURCES PROGRAM FLAG...: compiles a program for this processor and keeps it as rs/bin/PROGRAM.
crate() {
  local sources=$1 program=$2
  mkdir -p "$dir/rs/$sources"
  # With the times of the originals: cargo compiles anew what is younger than the program.
  cp -p "$here/rs/peer.rs" "$dir/rs/"
  cp -rp "$here/rs/$sources/." "$dir/rs/$sources/"
  (cd "$dir/rs/$sources" && RUSTFLAGS='-C target-cpu=native' CARGO_TARGET_DIR="$dir/rs/target" \
    cargo build --quiet --release "${@:3}")
  cp "$dir/rs/target/release/peer-$sources" "$dir/rs/bin/$program"
  echo "$program ready"
}

for part in "${parts[@]}"; do "part_$part"; done
