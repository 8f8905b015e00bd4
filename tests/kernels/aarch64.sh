#!/usr/bin/env bash
# Compiles the packed kernels and their tests for 64-bit Arm and runs them in an emulator, on CPUs without dot products,
# with them, and with matrix products too (the tests go through every instruction set that the emulated CPU has).
#   aarch64.sh SOURCE_DIR WORK_DIR
# Needs Debian's g++-aarch64-linux-gnu and qemu-user, and arm64 among dpkg's foreign architectures (scripts/install_packages
# test); without them it says so and exits with 77.
set -euo pipefail
source=$(cd "$1" && pwd)
mkdir -p "$2"
cd "$2"

skip() { echo "skipped: $1"; exit 77; }
for tool in aarch64-linux-gnu-g++ qemu-aarch64 apt-get dpkg; do command -v $tool >/dev/null || skip "no $tool"; done
packages="libhwy1 libhwy-dev libfmt9 libfmt-dev libgtest-dev"
if [ ! -e root/complete ]; then
  for package in $packages; do
    apt-get -qq -o APT::Sandbox::User=root download "$package:arm64" || skip "apt-get cannot download $package:arm64"
  done
  for file in *_arm64.deb; do dpkg -x "$file" root; done
  mkdir -p root/headers
  ln -sfn /usr/include/tl root/headers/tl  # libexpected-dev: headers only
  touch root/complete
fi

lib=$PWD/root/usr/lib/aarch64-linux-gnu
flags=(-std=c++20 -O2 -ffp-contract=off -Wall -Wextra -Wconversion -Wshadow -Werror -DHWY_SHARED_DEFINE
       -I"$source" -isystem root/usr/include -isystem root/headers)
files=(lieq/base/{check,dtype,ranks,threads}.cc lieq/pack/{decode,decode_iq,decode_k,gptq,grouped_matrix,iq_grids,packed_blocks,packed_matrix,quantized_matrix,stored_matrix}.cc
       lieq/kernels/{dequantize,dequantize_k,dots,elementwise,int8_inputs,isa,linear,pack_rows,packed_f32,packed_int8,packed_int8_ref,packed_int8_stream,packed_int8_tile}.cc
       tests/kernels/{gemm_plain,isa_test,pack_rows_test,packed_f32_test,packed_int8_test,packed_minima_test,packed_blocks_products_test}.cc)
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -I {} bash -c \
  'aarch64-linux-gnu-g++ "${@:3}" -c "$1/$2" -o "$(basename "$2" .cc).o"' _ "$source" {} "${flags[@]}"
objects=()
for file in "${files[@]}"; do objects+=("$(basename "$file" .cc).o"); done
aarch64-linux-gnu-g++ "${objects[@]}" "$lib"/libgtest_main.a "$lib"/libgtest.a "$lib"/libhwy.so "$lib"/libfmt.so -pthread -o packed_test

export QEMU_LD_PREFIX=/usr/aarch64-linux-gnu
run() {  # CPU, the best instruction set it has
  echo "$1: $2"
  qemu-aarch64 -cpu "$1" -E LD_LIBRARY_PATH="$lib" -E LIEQ_TEST_BEST_ISA="$2" ./packed_test --gtest_brief=1
}
run cortex-a57 neon
run neoverse-n1 neon-dotprod
run max neon-i8mm
