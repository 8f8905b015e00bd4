#include "lieq/pipeline/bench_shapes.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <functional>
#include <memory>
#include <random>

#include <fmt/format.h>

#include "lieq/kernels/isa.h"
#include "lieq/kernels/linear.h"
#include "lieq/kernels/read_words.h"

namespace lieq::pipeline {
namespace {

struct Shape {
  std::size_t in = 0, out = 0;
};

Result<Shape> parse_shape(const std::string& text, std::size_t group_size) {
  Shape shape;
  const char* end = text.data() + text.size();
  const auto in = std::from_chars(text.data(), end, shape.in);
  if (in.ec == std::errc() && in.ptr != end && *in.ptr == 'x') {
    const auto out = std::from_chars(in.ptr + 1, end, shape.out);
    if (out.ec != std::errc() || out.ptr != end) shape.out = 0;
  }
  constexpr std::size_t kLargest = 1 << 20;
  if (shape.in == 0 || shape.out == 0 || shape.in > kLargest || shape.out > kLargest)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--shape: found '{}', expected INxOUT, for example 3072x8192", text));
  if (shape.in % group_size != 0)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--group-size: found {}, expected a divisor of the {} inputs of --shape {}", group_size,
                            shape.in, text));
  return shape;
}

// Weights in rotation are together larger than any cache.
constexpr std::size_t kRotationBytes = std::size_t{256} << 20;

/// Copies of one matrix, used in turn.
struct Rotation {
  std::vector<pack::StoredMatrix> copies;
  std::vector<std::vector<std::uint16_t>> dense;  // what copies point into
  std::size_t next = 0;

  const pack::StoredMatrix& take() { return copies[next++ % copies.size()]; }
};

/// Few of small ones: they lie in a cache when a model runs, too.
std::size_t copies_for(std::size_t bytes) {
  return std::clamp<std::size_t>((kRotationBytes + bytes - 1) / bytes, 2, 64);
}

Rotation packed_rotation(Shape shape, unsigned bits, std::size_t group_size) {
  Rotation rotation;
  std::mt19937_64 random(bits);
  std::size_t copies = 1;
  for (std::size_t c = 0; c < copies; ++c) {
    auto packed = std::make_shared<pack::PackedMatrix>(shape.out, shape.in, bits, group_size);
    const std::size_t per_block = packed->units() * packed->unit_bytes();
    for (std::size_t b = 0; b < packed->blocks(); ++b)
      std::generate_n(packed->codes(b, 0), per_block, [&] { return static_cast<std::uint8_t>(random()); });
    for (std::size_t i = 0; i < shape.out; ++i)
      for (std::size_t g = 0; g < packed->groups(); ++g)
        packed->set_group(i, g, float_to_f16(0.01F), static_cast<std::uint16_t>((1U << bits) - 1));
    copies = copies_for(packed->memory());
    rotation.copies.push_back({"", DType::kF32, shape.out, shape.in, nullptr, 0, std::move(packed)});
  }
  return rotation;
}

Rotation dense_rotation(Shape shape, DType type) {
  Rotation rotation;
  std::mt19937 random(1);
  const std::size_t halves = shape.in * shape.out * block_bytes(type) / 2;
  for (std::size_t c = 0; c < copies_for(2 * halves); ++c) {
    auto& data = rotation.dense.emplace_back(halves);
    // Upper halves of floats between 0.5 and 2; as the lower half of a float32 they only add digits.
    for (auto& value : data) value = static_cast<std::uint16_t>(0x3F00 + random() % 256);
    rotation.copies.push_back(
        {"", type, shape.out, shape.in, reinterpret_cast<const std::byte*>(data.data()), 0, nullptr});
  }
  return rotation;
}

struct Kernel {
  std::string name;
  unsigned bits;
  std::function<void(std::size_t tokens)> run;
  std::size_t bytes;         // of weights, each read at least once
  double best = 0, cpu = 0;  // seconds; of all threads together
};

using Clock = std::chrono::steady_clock;

double cpu_seconds() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Runs all kernels in turn until each had its time; keeps the best.
void race(std::vector<Kernel>& kernels, std::size_t tokens, double seconds) {
  for (Kernel& kernel : kernels) {
    kernel.run(tokens);  // warms up: primitives, scratch, pages
    kernel.best = kernel.cpu = 1e9;
  }
  const auto start = Clock::now();
  const double all = seconds * static_cast<double>(kernels.size());
  do {
    for (Kernel& kernel : kernels) {
      const double cpu_before = cpu_seconds();
      const auto before = Clock::now();
      kernel.run(tokens);
      kernel.best = std::min(kernel.best, std::chrono::duration<double>(Clock::now() - before).count());
      kernel.cpu = std::min(kernel.cpu, cpu_seconds() - cpu_before);
    }
  } while (std::chrono::duration<double>(Clock::now() - start).count() < all);
}

/// The bytes of the codes alone.
std::size_t code_bytes(const pack::PackedMatrix& packed) {
  return packed.blocks() * packed.units() * packed.unit_bytes();
}

/// Reads the codes of a packed matrix and does nothing else with them than add them up.
std::uint64_t read_all(Threads& threads, const pack::PackedMatrix& packed) {
  const auto* words = reinterpret_cast<const std::uint64_t*>(packed.codes(0, 0));
  return kernels::read_words(threads, {words, code_bytes(packed) / sizeof *words});
}

/// Everything one shape is measured with.
class ShapeBench {
 public:
  ShapeBench(Shape shape, const BenchShapeOptions& options, Threads& threads)
      : shape_(shape), options_(options), threads_(threads) {
    const std::size_t most = *std::ranges::max_element(options.tokens);
    x_.resize(most * shape.in);
    y_.resize(most * shape.out);
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    for (float& value : x_) value = normal(random);
    if (options.dense) {
      add_kernel("dense fp32", 0, keep(dense_rotation(shape, DType::kF32)), kernels::Compute::kF32);
      add_kernel("dense bf16", 0, keep(dense_rotation(shape, DType::kBF16)), kernels::Compute::kBF16);
    }
    for (const unsigned bits : options.bits) {
      Rotation& rotation = keep(packed_rotation(shape, bits, options.group_size));
      const std::string name = fmt::format("{}-bit g{}", bits, options.group_size);
      if (options.inputs != "fp32") add_kernel(name, bits, rotation, kernels::Compute::kInt8);
      if (options.inputs != "int8") add_kernel(name + ", fp32 inputs", bits, rotation, kernels::Compute::kF32);
    }
    Rotation& first = *rotations_.back();
    kernels_.push_back({"read", 0,
                        [this, &first](std::size_t) { checksum_ += read_all(threads_, *first.take().packed); },
                        code_bytes(*first.copies[0].packed), 0});
  }

  void run(std::vector<ShapeTime>& times) {
    for (const std::size_t tokens : options_.tokens) {
      race(kernels_, tokens, options_.seconds);
      for (const Kernel& kernel : kernels_) times.push_back(time_of(kernel, tokens));
    }
  }

 private:
  Rotation& keep(Rotation rotation) {
    return *rotations_.emplace_back(std::make_unique<Rotation>(std::move(rotation)));
  }
  void add_kernel(std::string name, unsigned bits, Rotation& rotation, kernels::Compute compute) {
    const pack::StoredMatrix& one = rotation.copies[0];
    kernels_.push_back({std::move(name), bits,
                        [this, &rotation, compute](std::size_t tokens) {
                          kernels::linear(threads_, rotation.take(), {}, {x_.data(), tokens, shape_.in}, compute,
                                          scratch_, {y_.data(), tokens, shape_.out});
                        },
                        one.packed ? one.packed->memory() : one.bytes(), 0});
  }

  [[nodiscard]] ShapeTime time_of(const Kernel& kernel, std::size_t tokens) const {
    ShapeTime time{shape_.in, shape_.out, tokens, kernel.name, kernel.bits, kernel.bytes, kernel.best, kernel.cpu};
    const Kernel& read = kernels_.back();
    if (&kernel == &read) return time;
    time.share_of_read = time.bytes_per_second() / (static_cast<double>(read.bytes) / read.best);
    if (options_.dense) {
      time.over_fp32 = kernels_[0].best / kernel.best;
      time.over_bf16 = kernels_[1].best / kernel.best;
    }
    return time;
  }

  Shape shape_;
  const BenchShapeOptions& options_;
  Threads& threads_;
  std::vector<float> x_, y_;
  kernels::LinearScratch scratch_;
  std::vector<std::unique_ptr<Rotation>> rotations_;
  std::vector<Kernel> kernels_;  // dense float32, dense bfloat16, packed ..., read
  std::uint64_t checksum_ = 0;   // so that reading is not left out
};

}  // namespace

Result<ShapeTimes> bench_shapes(const BenchShapeOptions& options, Threads& threads) {
  std::vector<Shape> shapes;
  for (const std::string& text : options.shapes) {
    LIEQ_ASSIGN(const Shape shape, parse_shape(text, options.group_size));
    shapes.push_back(shape);
  }
  ShapeTimes all{kernels::isa_name(), threads.count(), options.group_size, kRotationBytes, {}};
  for (const Shape& shape : shapes) ShapeBench(shape, options, threads).run(all.times);
  return all;
}

Json to_json(const ShapeTimes& all) {
  Json records = Json::array();
  for (const ShapeTime& time : all.times) {
    Json one = {{"in", time.in},
                {"out", time.out},
                {"tokens", time.tokens},
                {"kernel", time.kernel},
                {"weight_bytes", time.bytes},
                {"seconds", time.seconds},
                {"cpu_seconds", time.cpu_seconds},
                {"gb_per_s", 1e-9 * time.bytes_per_second()}};
    if (time.share_of_read > 0)
      one.update({{"gflop_per_s", 1e-9 * time.flops_per_second()}, {"share_of_bandwidth", time.share_of_read}});
    if (time.over_fp32 > 0) one.update({{"speedup_over_fp32", time.over_fp32}, {"speedup_over_bf16", time.over_bf16}});
    if (time.bits != 0) one["bits"] = time.bits;
    records.push_back(std::move(one));
  }
  return {{"isa", all.isa}, {"threads", all.threads}, {"group_size", all.group_size}, {"records", std::move(records)}};
}

}  // namespace lieq::pipeline
