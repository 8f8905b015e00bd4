#!/usr/bin/env bash
# Installs into a temporary folder, builds a program against it, and compares the model that it makes with the one
# `lieq quantize` makes: install_test.sh BUILD SOURCE SANITIZE
set -euo pipefail
build=$1 source=$2 sanitize=$3
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$build" --prefix "$prefix" >/dev/null
"$prefix/bin/lieq" inspect "$prefix/share/lieq/demo" >/dev/null
cmake -S "$source/tests/install/consumer" -B "$prefix/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_FLAGS="${sanitize:+-fsanitize=$sanitize}" >/dev/null
cmake --build "$prefix/consumer" -- --quiet
demo=$prefix/share/lieq/demo
"$prefix/consumer/consumer" "$demo" "$demo/heldout.txt" "$prefix/library"
"$prefix/bin/lieq" quantize "$demo" -o "$prefix/program" --calib "$demo/heldout.txt" --calib-windows 4 \
  --calib-window 64 --sweeps 1 >/dev/null
hash_of() { sha256sum <"$1/model.safetensors"; }
[ "$(hash_of "$prefix/library")" = "$(hash_of "$prefix/program")" ] || { echo "library and program differ" >&2; exit 1; }
