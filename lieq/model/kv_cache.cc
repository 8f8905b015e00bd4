#include "lieq/model/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace lieq::model {
namespace {

kernels::KeyValues page_shape(const ModelConfig& config, std::size_t tokens, DType type) {
  LIEQ_CHECK(type == DType::kF16 || type == DType::kF32);
  return {type, config.num_key_value_heads, config.head_dim, tokens, nullptr, nullptr};
}

/// Bytes of one layer's keys, and as many of its values.
std::size_t layer_bytes(const kernels::KeyValues& shape) {
  return (*bytes_of(shape.type, shape.elements()) + 63) / 64 * 64;
}

std::size_t page_bytes_of(const kernels::KeyValues& shape, std::size_t layers) {
  return 2 * layers * layer_bytes(shape);
}

std::size_t pages_of(std::size_t tokens, std::size_t page) { return (tokens + page - 1) / page; }

}  // namespace

KvPage::KvPage(const kernels::KeyValues& shape, std::size_t layers)
    : shape_(shape), layers_(layers), layer_bytes_(layer_bytes(shape)) {
  data_.reserve(bytes());
}

kernels::KeyValues KvPage::layer(std::size_t l) const {
  kernels::KeyValues view = shape_;
  view.keys = data_.data() + 2 * l * layer_bytes_;
  view.values = data_.data() + (2 * l + 1) * layer_bytes_;
  return view;
}

void KvPage::copy(const KvPage& other) {
  LIEQ_CHECK(other.bytes() == bytes());
  std::memcpy(data_.data(), other.data_.data(), bytes());
}

KvPool::KvPool(const ModelConfig& config, std::size_t pages, DType type)
    : shape_(page_shape(config, kernels::kPageTokens, type)), layers_(config.num_hidden_layers), pages_(pages) {}

std::size_t KvPool::page_bytes() const { return page_bytes_of(shape_, layers_); }

std::shared_ptr<KvPage> KvPool::make() {
  if (used_ == pages_) return nullptr;
  std::unique_ptr<KvPage> page;
  if (spare_.empty()) {
    page = std::make_unique<KvPage>(shape_, layers_);
  } else {
    page = std::move(spare_.back());
    spare_.pop_back();
  }
  ++used_;
  return {page.release(), [this](KvPage* back) {
            --used_;
            spare_.emplace_back(back);
          }};
}

KvCache::KvCache(const ModelConfig& config, std::size_t capacity, DType type)
    : capacity_(capacity),
      shape_(page_shape(config, std::min(kernels::kPageTokens, kernels::round_up_to_panel(capacity)), type)),
      layers_(config.num_hidden_layers) {}

KvCache::KvCache(const ModelConfig& config, std::size_t capacity, KvPool& pool)
    : capacity_(capacity),
      shape_(page_shape(config, kernels::kPageTokens, pool.type())),
      layers_(config.num_hidden_layers),
      pool_(&pool) {}

std::size_t KvCache::bytes() const { return pages_of(capacity_, shape_.capacity) * page_bytes_of(shape_, layers_); }

std::shared_ptr<KvPage> KvCache::make_page() {
  return pool_ ? pool_->make() : std::make_shared<KvPage>(shape_, layers_);
}

std::size_t KvCache::pages_for(std::size_t tokens) const {
  const std::size_t wanted = pages_of(length_ + tokens, shape_.capacity);
  return wanted > pages_.size() ? wanted - pages_.size() : 0;
}

bool KvCache::make_room(std::size_t tokens) {
  LIEQ_CHECK(tokens <= capacity_ - length_);
  while (pages_.size() < pages_of(length_ + tokens, shape_.capacity)) {
    std::shared_ptr<KvPage> page = make_page();
    if (!page) return false;
    pages_.push_back(std::move(page));
  }
  LIEQ_CHECK(tokens == 0 || pages_[length_ / shape_.capacity].use_count() == 1);
  return true;
}

void KvCache::append_layer(std::size_t l, std::vector<kernels::KeyValues>& pages) const {
  for (const auto& page : pages_) pages.push_back(page->layer(l));
}

void KvCache::clear() {
  length_ = 0;
  pages_.clear();
}

void KvCache::share(const KvCache& other, std::size_t tokens) {
  LIEQ_CHECK(&other != this && tokens > length_ && tokens <= other.length_ && tokens <= capacity_);
  LIEQ_CHECK(pool_ == other.pool_ && shape_.capacity == other.shape_.capacity && shape_.type == other.shape_.type);
  const std::size_t whole = tokens / shape_.capacity;
  std::shared_ptr<KvPage> rest = tokens % shape_.capacity == 0 ? nullptr : make_page();
  if (!rest) tokens = whole * shape_.capacity;
  if (tokens <= length_) return;
  pages_.assign(other.pages_.begin(), other.pages_.begin() + static_cast<std::ptrdiff_t>(whole));
  if (rest) {
    rest->copy(*other.pages_[whole]);
    pages_.push_back(std::move(rest));
  }
  length_ = tokens;
}

}  // namespace lieq::model
