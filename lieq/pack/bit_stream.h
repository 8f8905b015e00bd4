#pragma once
/// Private to pack/: the dense little-endian bit stream under all integer formats (FORMATS.md section 3).
/// Field k of `bits` bits lies at bits [bits * k, bits * (k + 1)); word w holds bits [32 w, 32 (w + 1)).

#include <cstddef>
#include <cstdint>
#include <span>

namespace lieq::pack {

/// A stream in words that lie `stride` apart, the first at `first`. Word: std::int32_t, const to read only.
template <class Word>
class FieldStream {
 public:
  FieldStream(std::span<Word> words, std::size_t first, std::size_t stride, unsigned bits)
      : words_(words), first_(first), stride_(stride), bits_(bits) {}

  /// Into a field that is 0 so far.
  void put(std::size_t k, std::uint32_t value) const {
    const std::size_t bit = k * bits_, shift = bit % 32;
    const std::uint64_t field = std::uint64_t{value} << shift;
    merge(bit / 32, static_cast<std::uint32_t>(field));
    if (shift + bits_ > 32) merge(bit / 32 + 1, static_cast<std::uint32_t>(field >> 32));
  }
  [[nodiscard]] std::uint32_t get(std::size_t k) const {
    const std::size_t bit = k * bits_, shift = bit % 32;
    std::uint64_t field = word(bit / 32);
    if (shift + bits_ > 32) field |= std::uint64_t{word(bit / 32 + 1)} << 32;
    return static_cast<std::uint32_t>(field >> shift) & ((1U << bits_) - 1);
  }

 private:
  [[nodiscard]] std::uint32_t word(std::size_t w) const {
    return static_cast<std::uint32_t>(words_[first_ + w * stride_]);
  }
  void merge(std::size_t w, std::uint32_t value) const {
    std::int32_t& target = words_[first_ + w * stride_];
    target = static_cast<std::int32_t>(static_cast<std::uint32_t>(target) | value);
  }

  std::span<Word> words_;
  std::size_t first_, stride_;
  unsigned bits_;
};

/// Words that hold `fields` fields.
[[nodiscard]] constexpr std::size_t words_of(std::size_t fields, unsigned bits) { return (fields * bits + 31) / 32; }

}  // namespace lieq::pack
