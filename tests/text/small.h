#pragma once
/// Small tokenizers, written down as tokenizer.json trees that a test may change.

#include <string>

#include "lieq/base/json.h"
#include "lieq/base/utf8.h"
#include "lieq/text/decode.h"
#include "lieq/text/tokenizer.h"

namespace lieq::text {

inline Json added_json(int id, const std::string& content, bool special = true) {
  return {{"id", id},         {"content", content}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false},  {"normalized", false}, {"special", special}};
}

/// Byte-level BPE, GPT-2 pattern: all 256 bytes (ids 0-255 in byte order), "th" 256, "the" 257, " the" 258,
/// <|end|> 259.
inline Json byte_level_json() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    std::string text;
    append_utf8(text, byte_to_char(static_cast<std::uint8_t>(byte)));
    vocab[text] = byte;
  }
  vocab["th"] = 256;
  vocab["the"] = 257;
  vocab["\u0120the"] = 258;
  const Json level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  return {{"version", "1.0"},
          {"added_tokens", Json::array({added_json(259, "<|end|>")})},
          {"normalizer", nullptr},
          {"pre_tokenizer", level},
          {"post_processor", nullptr},
          {"decoder", level},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"t h", "th e", "\u0120 the"}}}}};
}

/// SentencePiece style: <unk> 0, the bytes 1-256, "▁" 257, "a" 258, "b" 259, "▁a" 260, "aa" 261, "▁▁" 262.
inline Json sentencepiece_json() {
  Json vocab = {{"<unk>", 0}};
  for (int byte = 0; byte < 256; ++byte) {
    const char* hex = "0123456789ABCDEF";
    vocab[std::string("<0x") + hex[byte / 16] + hex[byte % 16] + ">"] = byte + 1;
  }
  int id = 257;
  for (const char* token : {"\u2581", "a", "b", "\u2581a", "aa", "\u2581\u2581"}) vocab[token] = id++;
  const Json blank = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  const Json unblank = {{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}};
  return {{"version", "1.0"},
          {"added_tokens", Json::array({added_json(0, "<unk>")})},
          {"normalizer",
           {{"type", "Sequence"}, {"normalizers", {{{"type", "Prepend"}, {"prepend", "\u2581"}}, blank}}}},
          {"pre_tokenizer", nullptr},
          {"post_processor", nullptr},
          {"decoder",
           {{"type", "Sequence"},
            {"decoders",
             {unblank, {{"type", "ByteFallback"}}, {{"type", "Fuse"}},
              {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}}},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"fuse_unk", true},
            {"byte_fallback", true},
            {"vocab", vocab},
            {"merges", {"\u2581 a", "a a", "\u2581 \u2581"}}}}};
}

inline Result<Tokenizer> load_json(const Json& json) { return Tokenizer::from_json_text(json.dump(), "t.json"); }

}  // namespace lieq::text
