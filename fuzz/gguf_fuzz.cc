/// parse_gguf on any bytes: what it accepts keeps every promise of io/gguf.h.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "fuzz/tensor_promises.h"
#include "lieq/io/gguf.h"

namespace {

using lieq::io::Gguf;
using lieq::io::GgufValue;

void check_inside(std::string_view text, std::span<const std::byte> file) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  const std::less_equal<const std::byte*> before;
  LIEQ_CHECK(before(file.data(), begin) && before(begin + text.size(), file.data() + file.size()));
}

void check_value(const GgufValue& value, std::span<const std::byte> file) {
  if (const auto* text = std::get_if<std::string_view>(&value)) check_inside(*text, file);
  if (const auto* all = std::get_if<std::vector<std::string_view>>(&value)) {
    for (const std::string_view text : *all) check_inside(text, file);
  }
}

/// The type of a value decides which accessor answers; the others give a message.
void check_access(const Gguf& gguf, std::string_view key) {
  const auto check = [](const auto& result) {
    if (!result) lieq::fuzz::check_message(result.error().message);
    return result.has_value();
  };
  const int answers =
      check(gguf.string(key)) + check(gguf.strings(key)) + check(gguf.boolean(key)) + check(gguf.number(key));
  LIEQ_CHECK(answers <= 1);
  LIEQ_CHECK(!check(gguf.count(key)) || check(gguf.number(key)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto gguf = lieq::io::parse_gguf(bytes, "fuzz");
  if (!gguf) {
    lieq::fuzz::check_message(gguf.error().message);
    return 0;
  }
  for (const auto& [key, value] : gguf->metadata) {
    check_value(value, bytes);
    check_access(*gguf, key);
  }
  for (const auto& [name, tensor] : gguf->tensors.all()) {
    lieq::fuzz::check_tensor(name, tensor, bytes);
    LIEQ_CHECK(!tensor.data.empty());
    LIEQ_CHECK(tensor.shape.back() % lieq::block_elements(tensor.type) == 0);
  }
  lieq::fuzz::check_disjoint(gguf->tensors);
  return 0;
}
