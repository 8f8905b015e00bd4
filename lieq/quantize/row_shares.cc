#include "lieq/quantize/row_shares.h"

#include <algorithm>
#include <numeric>
#include <variant>

namespace lieq::quantize {
namespace {

std::size_t pieces_of(std::size_t rows, std::size_t each) { return (rows + each - 1) / each; }

}  // namespace

RowShares::RowShares(Ranks& ranks, std::span<const MatrixView<const float>> weights, bool shared)
    : ranks_(ranks), shared_(shared && ranks.size() > 1), first_tile_{0} {
  for (const MatrixView<const float>& weight : weights) {
    rows_.push_back(weight.rows());
    first_tile_.push_back(first_tile_.back() + pieces_of(weight.rows(), kTile));
  }
}

Share RowShares::of(std::size_t k, std::size_t rank) const {
  if (!shared_) return {0, rows_[k]};
  const Share tiles = share_of(first_tile_.back(), rank, ranks_.size());
  const auto row = [&](std::size_t tile) {
    const std::size_t within = std::clamp(tile, first_tile_[k], first_tile_[k + 1]) - first_tile_[k];
    return std::min(within * kTile, rows_[k]);
  };
  return {row(tiles.first), row(tiles.last)};
}

void RowShares::gather_bytes(std::size_t k, std::span<std::byte> bytes, std::size_t rows_each) const {
  if (!shared_ || bytes.empty()) return;
  const std::size_t unit = bytes.size() / pieces_of(rows_[k], rows_each);
  std::vector<std::size_t> borders;
  for (std::size_t r = 0; r < ranks_.size(); ++r) borders.push_back(pieces_of(of(k, r).first, rows_each) * unit);
  borders.push_back(bytes.size());
  ranks_.all_gather(bytes, borders);
}

template <class T>
void RowShares::put(std::size_t k, const std::vector<T>& part, std::vector<T>& whole) const {
  const std::size_t each = whole.size() / rows_[k];
  std::ranges::copy(part, whole.begin() + static_cast<std::ptrdiff_t>(own(k).first * each));
  gather(k, whole);
}

AnyFitted RowShares::gather(std::size_t k, AnyFitted own_rows) const {
  if (!shared_) return own_rows;
  if (const auto* part = std::get_if<KFitted>(&own_rows)) {
    KFitted whole(part->form, rows_[k], part->cols);
    put(k, part->codes, whole.codes);
    put(k, part->scales, whole.scales);
    put(k, part->minima, whole.minima);
    put(k, part->d, whole.d);
    put(k, part->dmin, whole.dmin);
    return whole;
  }
  const auto& part = std::get<Fitted>(own_rows);
  Fitted whole(rows_[k], part.cols, part.bits, part.group_size);
  put(k, part.codes, whole.codes);
  put(k, part.scales, whole.scales);
  put(k, part.zeros, whole.zeros);
  whole.g_idx = part.g_idx;
  return whole;
}

double RowShares::sum(std::size_t k, const std::vector<double>& own_rows) const {
  std::vector<double> all(rows_[k]);
  put(k, own_rows, all);
  return std::accumulate(all.begin(), all.end(), 0.0);
}

}  // namespace lieq::quantize
