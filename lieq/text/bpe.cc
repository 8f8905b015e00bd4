#include "lieq/text/bpe.h"

#include <algorithm>
#include <cstring>

#include "lieq/base/utf8.h"

namespace lieq::text {
namespace {

constexpr char32_t kBlank = 0x2581;      // ▁, SentencePiece's blank, has its own row beside ASCII
constexpr std::size_t kJoinRow = 129;    // 128 ASCII characters and ▁
constexpr std::size_t kMaxEntries = std::size_t{1} << 16;

/// Row of a character in Bpe::ascii_joins, or kJoinRow.
std::size_t join_row(char32_t value) { return value < 128 ? value : value == kBlank ? 128 : kJoinRow; }

}  // namespace

PieceCache::PieceCache() : entries_(512) {}

std::uint64_t PieceCache::hash_of(std::string_view piece) {
  constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15ULL;
  std::uint64_t hash = piece.size() * kMultiplier, word = 0;
  const auto mix = [&](std::uint64_t bits) {
    hash = (hash ^ bits) * kMultiplier;
    hash ^= hash >> 32;
  };
  std::size_t at = 0;
  for (; at + 8 <= piece.size(); at += 8) {
    std::memcpy(&word, piece.data() + at, 8);
    mix(word);
  }
  word = 0;
  if (at < piece.size()) {
    std::memcpy(&word, piece.data() + at, piece.size() - at);
    mix(word);
  }
  return hash;
}

std::optional<std::span<const TokenId>> PieceCache::find(std::string_view piece, std::uint64_t hash) const {
  const std::size_t mask = entries_.size() - 1;
  for (std::size_t at = hash & mask; entries_[at].text_size != 0; at = (at + 1) & mask) {
    const Entry& entry = entries_[at];
    if (entry.hash == hash && entry.text_size == piece.size() &&
        std::memcmp(texts_.data() + entry.text_begin, piece.data(), piece.size()) == 0)
      return std::span(ids_).subspan(entry.ids_begin, entry.ids_count);
  }
  return std::nullopt;
}

void PieceCache::grow() {
  std::vector<Entry> bigger(entries_.size() * 4);
  for (const Entry& entry : entries_) {
    if (entry.text_size == 0) continue;
    std::size_t at = entry.hash & (bigger.size() - 1);
    while (bigger[at].text_size != 0) at = (at + 1) & (bigger.size() - 1);
    bigger[at] = entry;
  }
  entries_ = std::move(bigger);
}

void PieceCache::insert(std::string_view piece, std::uint64_t hash, std::span<const TokenId> ids) {
  if (count_ == kMaxEntries) {
    std::fill(entries_.begin(), entries_.end(), Entry{});
    texts_.clear();
    ids_.clear();
    count_ = 0;
  } else if (count_ * 2 >= entries_.size()) {
    grow();
  }
  std::size_t at = hash & (entries_.size() - 1);
  while (entries_[at].text_size != 0) at = (at + 1) & (entries_.size() - 1);
  entries_[at] = {hash, static_cast<std::uint32_t>(texts_.size()), static_cast<std::uint32_t>(ids_.size()),
                  static_cast<std::uint16_t>(piece.size()), static_cast<std::uint16_t>(ids.size())};
  texts_.append(piece);
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  ++count_;
}

void Bpe::add_join(char32_t left, char32_t right) {
  const std::size_t row = join_row(left), column = join_row(right);
  if (row == kJoinRow || column == kJoinRow) {
    joins.insert(std::uint64_t{left} << 32 | right);
  } else {
    ascii_joins.resize(kJoinRow * kJoinRow);
    ascii_joins[row * kJoinRow + column] = true;
  }
}

bool Bpe::joins_at(char32_t left, char32_t right) const {
  const std::size_t row = join_row(left), column = join_row(right);
  if (row == kJoinRow || column == kJoinRow) return joins.contains(std::uint64_t{left} << 32 | right);
  return !ascii_joins.empty() && ascii_joins[row * kJoinRow + column];
}

TokenId Bpe::character(char32_t value) const {
  if (value < 128) return ascii[value];
  const auto found = characters.find(value);
  return found == characters.end() ? kNoToken : found->second;
}

void Bpe::first_symbols(std::string_view piece, std::vector<TokenId>& symbols) const {
  symbols.clear();
  TokenId pending = kNoToken;  // an unknown is held back until a known character comes, as the reference does
  const auto flush = [&] {
    if (pending != kNoToken) symbols.push_back(pending);
    pending = kNoToken;
  };
  const auto add_unknown = [&] {
    if (!fuse_unk) flush();
    pending = unk;
  };
  for (std::size_t at = 0; at < piece.size();) {
    const CodePoint point = byte_level ? CodePoint{0, 1, true} : decode_utf8(piece, at);
    const std::string_view raw = piece.substr(at, point.bytes);
    const auto byte_token = [&](char byte) { return bytes[static_cast<unsigned char>(byte)]; };
    const TokenId token = byte_level ? byte_token(raw[0]) : character(point.value);
    at += point.bytes;
    if (token != kNoToken) {
      flush();
      symbols.push_back(token);
    } else if (byte_fallback &&
               std::none_of(raw.begin(), raw.end(), [&](char byte) { return byte_token(byte) == kNoToken; })) {
      for (const char byte : raw) symbols.push_back(byte_token(byte));
    } else {
      add_unknown();
    }
  }
  flush();
}

void Bpe::encode(std::string_view piece, EncodeScratch& scratch, std::vector<TokenId>& ids) const {
  if (piece.empty()) return;
  if (may_cut) {
    encode_segments(piece, scratch, ids);
  } else {
    encode_cached(piece, scratch, ids);
  }
}

void Bpe::encode_segments(std::string_view piece, EncodeScratch& scratch, std::vector<TokenId>& ids) const {
  std::size_t begin = 0;
  CodePoint last = decode_utf8(piece, 0);
  for (std::size_t at = last.bytes; at < piece.size();) {
    const CodePoint point = decode_utf8(piece, at);
    if (!joins_at(last.value, point.value)) {
      encode_cached(piece.substr(begin, at - begin), scratch, ids);
      begin = at;
    }
    at += point.bytes;
    last = point;
  }
  encode_cached(piece.substr(begin), scratch, ids);
}

void Bpe::encode_cached(std::string_view piece, EncodeScratch& scratch, std::vector<TokenId>& ids) const {
  const bool cached = piece.size() <= PieceCache::kMaxPieceBytes;
  const std::uint64_t hash = cached ? PieceCache::hash_of(piece) : 0;
  if (cached) {
    if (const auto known = scratch.cache.find(piece, hash)) {
      ids.insert(ids.end(), known->begin(), known->end());
      return;
    }
  }
  const std::size_t before = ids.size();
  const auto taken = whole.empty() ? whole.end() : whole.find(piece);
  if (taken != whole.end()) {
    ids.push_back(taken->second);
  } else {
    first_symbols(piece, scratch.symbols);
    merge_symbols(merges, scratch.symbols, ids);
  }
  if (cached) scratch.cache.insert(piece, hash, std::span(ids).subspan(before));
}

}  // namespace lieq::text
