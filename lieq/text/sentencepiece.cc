// The file is a protocol buffer, message ModelProto of sentencepiece_model.proto:
//
//   1: SentencePiece, repeated {1: piece, 2: score (float), 3: type (1 normal, 2 unknown, 3 control, 4 user-defined,
//      5 unused, 6 byte)}
//   2: TrainerSpec {3: model_type (2: BPE), 40: unk_id, 41: bos_id, 42: eos_id}
//   3: NormalizerSpec {2: precompiled_charsmap, 3: add_dummy_prefix}
//
// A field is a varint (number << 3 | kind) and a value: 0 a varint, 1 eight bytes, 2 a length and bytes, 5 four bytes.

#include "lieq/text/sentencepiece.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>

#include "lieq/base/message.h"

namespace lieq::text {
namespace {

struct Field {
  std::uint64_t number = 0, kind = 0;
  std::uint64_t value = 0;  ///< of kinds 0, 1 and 5
  std::string_view bytes;   ///< of kind 2
};

/// Reads the fields of one message.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool done() const { return rest_.empty(); }
  /// Nothing: cut short, or no such kind.
  std::optional<Field> next() {
    Field field;
    const auto tag = varint();
    if (!tag) return std::nullopt;
    field.number = *tag >> 3;
    field.kind = *tag & 7;
    if (field.kind == 0) {
      const auto value = varint();
      if (!value) return std::nullopt;
      field.value = *value;
    } else if (field.kind == 2) {
      const auto length = varint();
      if (!length || *length > rest_.size()) return std::nullopt;
      field.bytes = take(*length);
    } else if (field.kind == 1 || field.kind == 5) {
      const std::size_t size = field.kind == 1 ? 8 : 4;
      if (rest_.size() < size) return std::nullopt;
      std::memcpy(&field.value, take(size).data(), size);
    } else {
      return std::nullopt;
    }
    return field;
  }

 private:
  std::string_view take(std::size_t size) {
    const std::string_view front = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return front;
  }
  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
    return std::nullopt;
  }

  std::string_view rest_;
};

struct Model {
  std::vector<std::string_view> pieces;
  std::vector<double> scores;
  std::vector<std::int64_t> types;
  std::uint64_t model_type = 1;
  std::int64_t unknown = 0, bos = 1, eos = 2;
  bool dummy_prefix = true, maps = false;
};

bool read_piece(std::string_view bytes, Model& model) {
  std::string_view piece;
  float score = 0;
  std::int64_t type = 1;
  for (Message message(bytes); !message.done();) {
    const auto field = message.next();
    if (!field) return false;
    if (field->number == 1 && field->kind == 2) piece = field->bytes;
    if (field->number == 2 && field->kind == 5) score = std::bit_cast<float>(static_cast<std::uint32_t>(field->value));
    if (field->number == 3 && field->kind == 0) type = static_cast<std::int64_t>(field->value);
  }
  model.pieces.push_back(piece);
  model.scores.push_back(static_cast<double>(score));
  model.types.push_back(type);
  return true;
}

bool read_trainer(std::string_view bytes, Model& model) {
  for (Message message(bytes); !message.done();) {
    const auto field = message.next();
    if (!field) return false;
    if (field->kind != 0) continue;
    if (field->number == 3) model.model_type = field->value;
    // int32, of which -1 takes ten bytes.
    const auto id = static_cast<std::int64_t>(field->value);
    if (field->number == 40) model.unknown = id;
    if (field->number == 41) model.bos = id;
    if (field->number == 42) model.eos = id;
  }
  return true;
}

bool read_normalizer(std::string_view bytes, Model& model) {
  for (Message message(bytes); !message.done();) {
    const auto field = message.next();
    if (!field) return false;
    if (field->number == 2) model.maps = !field->bytes.empty();
    if (field->number == 3) model.dummy_prefix = field->value != 0;
  }
  return true;
}

bool read_model(std::string_view bytes, Model& model) {
  for (Message message(bytes); !message.done();) {
    const auto field = message.next();
    if (!field) return false;
    if (field->kind != 2) continue;
    if (field->number == 1 && !read_piece(field->bytes, model)) return false;
    if (field->number == 2 && !read_trainer(field->bytes, model)) return false;
    if (field->number == 3 && !read_normalizer(field->bytes, model)) return false;
  }
  return !model.pieces.empty();
}

}  // namespace

Result<io::Gguf> gguf_from_sentencepiece(std::span<const std::byte> bytes, const std::string& place) {
  Model model;
  if (!read_model({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, model))
    return fail(ErrorCode::kInvalidFormat, place + ": not a SentencePiece model (cut short?)");
  const auto unsupported = [&](const std::string& found, const std::string& expected) {
    return fail(ErrorCode::kUnsupported, place + ": found " + found + ", expected " + expected);
  };
  constexpr std::uint64_t kBpe = 2;
  if (model.model_type != kBpe)
    return unsupported("a SentencePiece model of type " + std::to_string(model.model_type) +
                           (model.model_type == 1 ? " (Unigram)" : ""),
                       "BPE");
  if (model.maps)
    return unsupported("normalisation by a compiled map", "none (load and save the tokenizer in transformers)");
  io::Gguf gguf;
  gguf.file = place;
  gguf.metadata["tokenizer.ggml.model"] = std::string_view("llama");
  gguf.metadata["tokenizer.ggml.tokens"] = std::move(model.pieces);
  gguf.metadata["tokenizer.ggml.scores"] = std::move(model.scores);
  gguf.metadata["tokenizer.ggml.token_type"] = std::move(model.types);
  gguf.metadata["tokenizer.ggml.add_space_prefix"] = model.dummy_prefix;
  for (const auto& [name, id] : {std::pair{"unknown", model.unknown}, {"bos", model.bos}, {"eos", model.eos}})
    if (id >= 0) gguf.metadata["tokenizer.ggml." + std::string(name) + "_token_id"] = static_cast<std::uint64_t>(id);
  return gguf;
}

}  // namespace lieq::text
