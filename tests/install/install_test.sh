#!/usr/bin/env bash
# Installs into a temporary folder, builds a program against it, and runs both: install_test.sh BUILD SOURCE SANITIZE
set -euo pipefail
build=$1 source=$2 sanitize=$3
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$build" --prefix "$prefix" >/dev/null
"$prefix/bin/lieq" inspect "$prefix/share/lieq/demo" >/dev/null
cmake -S "$source/tests/install/consumer" -B "$prefix/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_FLAGS="${sanitize:+-fsanitize=$sanitize}" >/dev/null
cmake --build "$prefix/consumer" -- --quiet
"$prefix/consumer/consumer" "$prefix/share/lieq/demo" "$prefix/share/lieq/demo/heldout.txt"
