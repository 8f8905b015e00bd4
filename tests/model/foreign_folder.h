#pragma once
/// Quantised folders as other tools write them, made bit by bit from the formats' definitions and without lieq's own
/// packers; the weights they stand for beside them.

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/io/safetensors.h"
#include "lieq/io/safetensors_writer.h"
#include "lieq/kernels/linear.h"
#include "lieq/model/model.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::model {

/// Codes of one module and what a group adds to them: all drawn at random.
struct ForeignLinear {
  std::size_t out, in, group_size;
  unsigned bits;
  std::vector<std::uint32_t> codes;  // [out, in]
  std::vector<float> scales;         // [out, groups]
  std::vector<std::uint32_t> zeros;  // [out, groups]
  std::vector<float> biases;         // [out, groups]
  std::vector<std::int32_t> g_idx;   // [in]

  [[nodiscard]] std::size_t groups() const { return (in + group_size - 1) / group_size; }
  [[nodiscard]] float scale(std::size_t i, std::size_t j) const { return scales[i * groups() + group(j)]; }
  [[nodiscard]] float zero(std::size_t i, std::size_t j) const {
    return static_cast<float>(zeros[i * groups() + group(j)]);
  }
  [[nodiscard]] float code(std::size_t i, std::size_t j) const { return static_cast<float>(codes[i * in + j]); }
  [[nodiscard]] std::size_t group(std::size_t j) const { return static_cast<std::size_t>(g_idx[j]); }

  [[nodiscard]] std::vector<float> weights_by_zeros() const {
    return weights([&](std::size_t i, std::size_t j) { return scale(i, j) * (code(i, j) - zero(i, j)); });
  }
  [[nodiscard]] std::vector<float> weights_by_biases() const {
    return weights(
        [&](std::size_t i, std::size_t j) { return scale(i, j) * code(i, j) + biases[i * groups() + group(j)]; });
  }

 private:
  template <class F>
  [[nodiscard]] std::vector<float> weights(const F& f) const {
    std::vector<float> all(out * in);
    for (std::size_t i = 0; i < out; ++i)
      for (std::size_t j = 0; j < in; ++j) all[i * in + j] = f(i, j);
    return all;
  }
};

/// How scales and biases are stored, and so which values they may have.
inline float as_stored(float value, DType type) {
  if (type == DType::kF16) return f16_to_float(float_to_f16(value));
  return type == DType::kBF16 ? bf16_to_float(float_to_bf16(value)) : value;
}

inline ForeignLinear random_linear(std::size_t out, std::size_t in, unsigned bits, std::size_t group_size, DType type,
                                   unsigned seed) {
  std::mt19937 random(seed);
  ForeignLinear m{out, in, group_size, bits, {}, {}, {}, {}, {}};
  const std::uint32_t top = (1U << bits) - 1;
  const auto draw = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); };
  for (std::size_t k = 0; k < out * in; ++k) m.codes.push_back(draw(top + 1));
  for (std::size_t k = 0; k < out * m.groups(); ++k) {
    const float scale = as_stored(0.001F + 0.02F * static_cast<float>(draw(10007)) / 10007, type);
    m.scales.push_back(scale);
    m.zeros.push_back(1 + draw(top));
    m.biases.push_back(as_stored(-scale * static_cast<float>(draw(1009)) / 500, type));
  }
  for (std::size_t j = 0; j < in; ++j) m.g_idx.push_back(static_cast<std::int32_t>(j / group_size));
  return m;
}

/// Bits [bit, bit + bits) of `words`, one by one.
inline void put_field(std::uint32_t* words, std::size_t stride, std::size_t bit, unsigned bits, std::uint32_t value) {
  for (unsigned b = 0; b < bits; ++b) words[(bit + b) / 32 * stride] |= ((value >> b) & 1U) << ((bit + b) % 32);
}

/// A folder made from tests/data/tiny-llama: one layer of 32 features, k and v of 16, embedding tied.
class ForeignFolder {
 public:
  ForeignFolder() {
    static int counter = 0;
    path_ = std::filesystem::path(testing::TempDir()) /
            ("lieq_foreign_" + std::to_string(::getpid()) + "_" + std::to_string(counter++));
    std::filesystem::create_directories(path_);
    const std::filesystem::path tiny = test::data_dir() / "tiny-llama";
    config = test::must(read_json(tiny / "config.json"));
    const io::TensorSet tensors = test::must(io::open_safetensors(tiny / "model.safetensors"));
    for (const auto& [name, tensor] : tensors.all())
      put(name, tensor.type, tensor.shape, tensor.data.data(), tensor.data.size());
  }
  ForeignFolder(const ForeignFolder&) = delete;
  ForeignFolder& operator=(const ForeignFolder&) = delete;
  ~ForeignFolder() { std::filesystem::remove_all(path_); }

  void put(const std::string& name, DType type, std::vector<std::size_t> shape, const void* data, std::size_t bytes) {
    tensors_[name] = {{name, type, std::move(shape)}, std::string(static_cast<const char*>(data), bytes)};
  }
  template <class T>
  void put(const std::string& name, DType type, std::vector<std::size_t> shape, const std::vector<T>& values) {
    put(name, type, std::move(shape), values.data(), values.size() * sizeof(T));
  }
  /// F32, F16 or BF16.
  void put_floats(const std::string& name, DType type, std::vector<std::size_t> shape,
                  const std::vector<float>& values) {
    if (type == DType::kF32) return put(name, type, std::move(shape), values);
    std::vector<std::uint16_t> halves;
    for (const float v : values) halves.push_back(type == DType::kF16 ? float_to_f16(v) : float_to_bf16(v));
    put(name, type, std::move(shape), halves);
  }
  void erase(const std::string& name) { tensors_.erase(name); }
  [[nodiscard]] bool has(const std::string& name) const { return tensors_.contains(name); }

  /// GPTQ: codes along the inputs of each output, zero points along the outputs; both dense streams.
  void put_gptq(const std::string& module, const ForeignLinear& m, DType scales, std::uint32_t stored_less) {
    const std::size_t words = m.in * m.bits / 32, zero_words = m.out * m.bits / 32;
    std::vector<std::uint32_t> qweight(words * m.out), qzeros(m.groups() * zero_words);
    std::vector<float> transposed(m.groups() * m.out);
    for (std::size_t i = 0; i < m.out; ++i) {
      for (std::size_t j = 0; j < m.in; ++j)
        put_field(qweight.data() + i, m.out, j * m.bits, m.bits, m.codes[i * m.in + j]);
      for (std::size_t g = 0; g < m.groups(); ++g) {
        put_field(qzeros.data() + g * zero_words, 1, i * m.bits, m.bits, m.zeros[i * m.groups() + g] - stored_less);
        transposed[g * m.out + i] = m.scales[i * m.groups() + g];
      }
    }
    erase(module + ".weight");
    put(module + ".qweight", DType::kI32, {words, m.out}, qweight);
    put(module + ".qzeros", DType::kI32, {m.groups(), zero_words}, qzeros);
    put_floats(module + ".scales", scales, {m.groups(), m.out}, transposed);
    put(module + ".g_idx", DType::kI32, {m.in}, m.g_idx);
  }

  void put_awq(const std::string& module, const ForeignLinear& m, DType scales) {
    constexpr std::size_t kOrder[] = {0, 2, 4, 6, 1, 3, 5, 7};
    const std::size_t words = m.out / 8;
    std::vector<std::uint32_t> qweight(m.in * words), qzeros(m.groups() * words);
    std::vector<float> transposed;
    for (std::size_t c = 0; c < words; ++c)
      for (std::size_t nibble = 0; nibble < 8; ++nibble) {
        const std::size_t i = 8 * c + kOrder[nibble];
        for (std::size_t j = 0; j < m.in; ++j) qweight[j * words + c] |= m.codes[i * m.in + j] << (4 * nibble);
        for (std::size_t g = 0; g < m.groups(); ++g)
          qzeros[g * words + c] |= m.zeros[i * m.groups() + g] << (4 * nibble);
      }
    for (std::size_t g = 0; g < m.groups(); ++g)
      for (std::size_t i = 0; i < m.out; ++i) transposed.push_back(m.scales[i * m.groups() + g]);
    erase(module + ".weight");
    put(module + ".qweight", DType::kI32, {m.in, words}, qweight);
    put(module + ".qzeros", DType::kI32, {m.groups(), words}, qzeros);
    put_floats(module + ".scales", scales, {m.groups(), m.out}, transposed);
  }

  /// per_word: 0 for the dense stream, else that many whole codes in each word.
  void put_compressed(const std::string& module, const ForeignLinear& m, DType scales, bool symmetric,
                      std::size_t per_word = 0) {
    const auto bit = [&](std::size_t k) {
      return per_word == 0 ? k * m.bits : k / per_word * 32 + k % per_word * m.bits;
    };
    const auto words_of = [&](std::size_t n) {
      return per_word == 0 ? (n * m.bits + 31) / 32 : (n + per_word - 1) / per_word;
    };
    const std::size_t words = words_of(m.in), zero_words = words_of(m.out);
    std::vector<std::uint32_t> packed(m.out * words), zeros(zero_words * m.groups());
    for (std::size_t i = 0; i < m.out; ++i) {
      for (std::size_t j = 0; j < m.in; ++j)
        put_field(packed.data() + i * words, 1, bit(j), m.bits, m.codes[i * m.in + j]);
      for (std::size_t g = 0; g < m.groups(); ++g)
        put_field(zeros.data() + g, m.groups(), bit(i), m.bits, m.zeros[i * m.groups() + g]);
    }
    erase(module + ".weight");
    put(module + ".weight_packed", DType::kI32, {m.out, words}, packed);
    put_floats(module + ".weight_scale", scales, {m.out, m.groups()}, m.scales);
    put(module + ".weight_shape", DType::kI64, {2}, std::vector<std::int64_t>{std::int64_t(m.out), std::int64_t(m.in)});
    if (!symmetric) put(module + ".weight_zero_point", DType::kI32, {zero_words, m.groups()}, zeros);
  }

  void put_mlx(const std::string& module, const ForeignLinear& m, DType type) {
    const std::size_t words = m.in * m.bits / 32;
    std::vector<std::uint32_t> packed(m.out * words);
    for (std::size_t i = 0; i < m.out; ++i)
      for (std::size_t j = 0; j < m.in; ++j)
        put_field(packed.data() + i * words, 1, j * m.bits, m.bits, m.codes[i * m.in + j]);
    put(module + ".weight", DType::kU32, {m.out, words}, packed);
    put_floats(module + ".scales", type, {m.out, m.groups()}, m.scales);
    put_floats(module + ".biases", type, {m.out, m.groups()}, m.biases);
  }

  void write(const std::string& file = "model.safetensors") const {
    std::ofstream(path_ / "config.json") << config.dump();
    std::vector<io::TensorInfo> infos;
    for (const auto& [name, tensor] : tensors_) infos.push_back(tensor.info);
    auto writer = test::must(io::SafetensorsWriter::create(path_ / file, infos));
    for (const auto& [name, tensor] : tensors_)
      ASSERT_TRUE(writer.write(name, tensor.bytes.data(), tensor.bytes.size()));
    ASSERT_TRUE(std::move(writer).finish());
  }

  Result<Model> load(Threads& threads, const std::string& file = "model.safetensors") const {
    write(file);
    Sink sink;
    return Model::load(path_, threads, sink);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  Json config;

 private:
  struct Entry {
    io::TensorInfo info;
    std::string bytes;
  };
  std::filesystem::path path_;
  std::map<std::string, Entry> tensors_;
};

/// Every linear of tiny-llama's layer with its shape.
struct LinearShape {
  LinearKind kind;
  std::string module;
  std::size_t out;
};
inline std::vector<LinearShape> linear_shapes() {
  std::vector<LinearShape> shapes;
  for (const LinearKind kind : kLinearKinds)
    shapes.push_back({kind, "model.layers.0." + std::string(name(kind)),
                      kind == LinearKind::kK || kind == LinearKind::kV ? 16U : 32U});
  return shapes;
}

inline void expect_weights(const pack::StoredMatrix& matrix, const std::vector<float>& expected) {
  ASSERT_EQ(matrix.rows * matrix.cols, expected.size());
  std::vector<float> row(matrix.cols);
  for (std::size_t i = 0; i < matrix.rows; ++i) {
    kernels::decode_row(matrix, i, row.data());
    ASSERT_EQ(row, std::vector<float>(expected.begin() + static_cast<std::ptrdiff_t>(i * matrix.cols),
                                      expected.begin() + static_cast<std::ptrdiff_t>((i + 1) * matrix.cols)))
        << matrix.name << " row " << i;
  }
}

}  // namespace lieq::model
