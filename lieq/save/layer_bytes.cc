#include "lieq/save/layer_bytes.h"

#include <cstring>
#include <type_traits>
#include <vector>

#include "lieq/base/check.h"

namespace lieq::save {
namespace {

class Writer {
 public:
  template <class T>
  void operator()(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  template <class T>
  void operator()(const std::vector<T>& values) {
    static_assert(std::is_trivially_copyable_v<T>);
    (*this)(values.size());
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }
  std::string bytes;
};

class Reader {
 public:
  explicit Reader(const std::string& bytes) : rest_(bytes) {}
  template <class T>
  void operator()(T& value) {
    take(&value, sizeof value);
  }
  template <class T>
  void operator()(std::vector<T>& values) {
    std::size_t size = 0;
    (*this)(size);
    LIEQ_CHECK(size <= rest_.size() / sizeof(T));
    values.resize(size);
    take(values.data(), size * sizeof(T));
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  void take(void* target, std::size_t size) {
    LIEQ_CHECK(size <= rest_.size());
    if (size > 0) std::memcpy(target, rest_.data(), size);
    rest_.remove_prefix(size);
  }
  std::string_view rest_;
};

/// Both ways: calls visit on every field.
template <class Layer, class Visit>
void visit_fields(Layer& layer, Visit& visit) {
  for (auto& m : layer.linears) {
    visit(m.rows), visit(m.cols), visit(m.bits), visit(m.group_size);
    visit(m.codes), visit(m.scales), visit(m.double_zeros), visit(m.g_idx), visit(m.minima);
  }
  for (auto& b : layer.blocks) visit(b.type), visit(b.rows), visit(b.cols), visit(b.bytes);
  visit(layer.input_layernorm), visit(layer.post_attention_layernorm);
  for (auto& bias : layer.biases) visit(bias);
  visit(layer.reports);
}

}  // namespace

std::string layer_to_bytes(const quantize::QuantizedLayer& layer) {
  Writer writer;
  visit_fields(layer, writer);
  return std::move(writer.bytes);
}

quantize::QuantizedLayer layer_from_bytes(const std::string& bytes) {
  quantize::QuantizedLayer layer;
  Reader reader(bytes);
  visit_fields(layer, reader);
  LIEQ_CHECK(reader.at_end());
  return layer;
}

}  // namespace lieq::save
