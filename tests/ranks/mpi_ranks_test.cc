/// What MpiRanks does, against what it is told to: run by mpirun with any number of ranks. Prints nothing but failures.

#include <cstdio>
#include <numeric>
#include <vector>

#include "lieq/ranks/mpi_ranks.h"

namespace {

int failures = 0;

void expect(bool good, const char* what, std::size_t rank) {
  if (good) return;
  ++failures;
  std::fprintf(stderr, "rank %zu: %s\n", rank, what);
}

/// Rank r's values: such that the order of a sum shows.
float value(std::size_t rank, std::size_t i) {
  return static_cast<float>((rank + 1) * (i % 1000 + 1)) * 1.000123F + (i % 7 == rank % 7 ? 1e7F : 0);
}

/// The sums that neighbours, pairs of neighbours, ... make; more ranks than a power of two come to the first ones.
std::vector<float> tree_sum(std::size_t size, std::size_t length) {
  std::vector<std::vector<float>> sums(size, std::vector<float>(length));
  for (std::size_t r = 0; r < size; ++r)
    for (std::size_t i = 0; i < length; ++i) sums[r][i] = value(r, i);
  std::size_t paired = 1;
  while (paired * 2 <= size) paired *= 2;
  const auto add = [&](std::size_t to, std::size_t from) {
    for (std::size_t i = 0; i < length; ++i) sums[to][i] += sums[from][i];
  };
  for (std::size_t r = paired; r < size; ++r) add(r - paired, r);
  for (std::size_t distance = 1; distance < paired; distance *= 2)
    for (std::size_t r = 0; r < paired; r += 2 * distance) add(r, r + distance);
  return sums[0];
}

void check(lieq::Ranks& ranks) {
  const std::size_t rank = ranks.rank(), size = ranks.size();
  for (const std::size_t length : {0U, 1U, 3U, 1000U, 3000001U}) {
    std::vector<float> values(length);
    for (std::size_t i = 0; i < length; ++i) values[i] = value(rank, i);
    ranks.add_up(std::span(values));
    expect(values == tree_sum(size, length), "add_up: other bits than the tree's", rank);
  }
  std::vector<double> doubles(size);
  doubles[rank] = static_cast<double>(rank) + 0.5;
  ranks.add_up(std::span(doubles));
  for (std::size_t r = 0; r < size; ++r) expect(doubles[r] == static_cast<double>(r) + 0.5, "add_up of doubles", rank);

  std::string text = rank == 0 ? std::string(100000, 'x') + "end" : "another";
  lieq::broadcast(ranks, text);
  expect(text == std::string(100000, 'x') + "end", "broadcast of a text", rank);
  const std::vector<std::string> texts =
      lieq::all_texts(ranks, std::string(rank * 1000, 'a'));  // of rank 0 an empty one
  for (std::size_t r = 0; r < size; ++r) expect(texts[r] == std::string(r * 1000, 'a'), "all_texts", rank);

  std::vector<std::byte> bytes(100 * size);
  std::vector<std::size_t> borders(size + 1);
  for (std::size_t r = 0; r < size; ++r) borders[r + 1] = r + 1 == size ? bytes.size() : borders[r] + (r % 2) * 50;
  for (std::size_t i = borders[rank]; i < borders[rank + 1]; ++i) bytes[i] = static_cast<std::byte>(rank + 1);
  ranks.all_gather(bytes, borders);
  for (std::size_t r = 0; r < size; ++r)
    for (std::size_t i = borders[r]; i < borders[r + 1]; ++i)
      expect(bytes[i] == static_cast<std::byte>(r + 1), "all_gather", rank);
}

}  // namespace

int main() {
  const auto ranks = lieq::ranks::MpiRanks::start();
  check(*ranks);
  if (ranks->size() > 1 && ranks->traffic().sent == 0) expect(false, "traffic: found nothing sent", ranks->rank());
  return failures == 0 ? 0 : 1;
}
