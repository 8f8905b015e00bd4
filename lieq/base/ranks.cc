#include "lieq/base/ranks.h"

namespace lieq {
namespace {

class Alone : public Ranks {
 public:
  [[nodiscard]] std::size_t rank() const override { return 0; }
  [[nodiscard]] std::size_t size() const override { return 1; }
  void broadcast(std::span<std::byte> /*bytes*/) override {}
  void all_gather(std::span<std::byte> /*bytes*/, std::span<const std::size_t> /*borders*/) override {}
  void add_up(std::span<float> /*values*/) override {}
  void add_up(std::span<double> /*values*/) override {}
};

}  // namespace

Ranks& Ranks::alone() {
  static Alone one;
  return one;
}

void broadcast(Ranks& ranks, std::string& text) {
  std::size_t size = text.size();
  broadcast(ranks, size);
  text.resize(size);
  ranks.broadcast(std::as_writable_bytes(std::span(text)));
}

std::vector<std::string> all_texts(Ranks& ranks, const std::string& own) {
  std::vector<std::size_t> sizes(ranks.size()), borders(ranks.size() + 1);
  for (std::size_t r = 0; r <= ranks.size(); ++r) borders[r] = r * sizeof(std::size_t);
  sizes[ranks.rank()] = own.size();
  ranks.all_gather(std::as_writable_bytes(std::span(sizes)), borders);
  borders[0] = 0;
  for (std::size_t r = 0; r < ranks.size(); ++r) borders[r + 1] = borders[r] + sizes[r];
  std::string all(borders.back(), '\0');
  all.replace(borders[ranks.rank()], own.size(), own);
  ranks.all_gather(std::as_writable_bytes(std::span(all)), borders);
  std::vector<std::string> texts;
  for (std::size_t r = 0; r < ranks.size(); ++r) texts.push_back(all.substr(borders[r], sizes[r]));
  return texts;
}

}  // namespace lieq
