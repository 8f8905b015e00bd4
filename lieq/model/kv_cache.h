#pragma once
/// Keys and values of the tokens seen so far, in pages that are made as tokens come and that sequences with a common
/// beginning share.

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/key_values.h"
#include "lieq/model/config.h"

namespace lieq::model {

/// Keys and values of kernels::kPageTokens tokens (or as many as a short cache holds) in every layer.
class KvPage {
 public:
  /// `shape`: of one layer; its pointers are not looked at.
  KvPage(const kernels::KeyValues& shape, std::size_t layers);

  [[nodiscard]] kernels::KeyValues layer(std::size_t l) const;
  [[nodiscard]] std::size_t bytes() const { return 2 * layers_ * layer_bytes_; }
  void copy(const KvPage& other);

 private:
  kernels::KeyValues shape_;
  std::size_t layers_, layer_bytes_;
  kernels::Buffer<std::byte> data_;
};

/// A budget of pages for several caches. Pages nobody uses any more are kept for the next. For one thread at a time.
class KvPool {
 public:
  /// `type`: kF16, or kF32 for twice the memory and no rounding. `pages`: at most so many at once.
  KvPool(const ModelConfig& config, std::size_t pages, DType type = DType::kF16);
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  /// Null when the budget is used up. The pool must outlive what it gave.
  [[nodiscard]] std::shared_ptr<KvPage> make();
  [[nodiscard]] std::size_t pages() const { return pages_; }
  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] std::size_t page_bytes() const;
  [[nodiscard]] DType type() const { return shape_.type; }

 private:
  kernels::KeyValues shape_;
  std::size_t layers_, pages_, used_ = 0;
  std::vector<std::unique_ptr<KvPage>> spare_;
};

/// Run state of one sequence. Whole pages may be in use by several caches; nobody writes to them any more.
class KvCache {
 public:
  /// With memory of its own. `type`: as of KvPool.
  KvCache(const ModelConfig& config, std::size_t capacity, DType type = DType::kF16);
  /// With pages of `pool`, which must outlive this.
  KvCache(const ModelConfig& config, std::size_t capacity, KvPool& pool);

  [[nodiscard]] std::size_t length() const { return length_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  /// Bytes when it is full.
  [[nodiscard]] std::size_t bytes() const;
  /// Pages it holds now.
  [[nodiscard]] std::size_t pages() const { return pages_.size(); }

  /// Makes pages for `tokens` tokens behind the length. False: the pool has no more; what was made stays. At most
  /// capacity() - length() tokens. Without a pool it always succeeds, and the forward pass calls it.
  [[nodiscard]] bool make_room(std::size_t tokens);
  /// Pages that make_room(tokens) would take from the pool.
  [[nodiscard]] std::size_t pages_for(std::size_t tokens) const;
  /// What a layer keeps, page by page, behind what `pages` holds.
  void append_layer(std::size_t l, std::vector<kernels::KeyValues>& pages) const;

  /// Marks `tokens` further rows of every layer as filled.
  void advance(std::size_t tokens) {
    LIEQ_CHECK(tokens <= capacity_ - length_);
    length_ += tokens;
  }
  /// Forgets all but the first `tokens` rows, but keeps the memory.
  void truncate(std::size_t tokens) {
    LIEQ_CHECK(tokens <= length_);
    length_ = tokens;
  }
  /// Forgets everything and gives the pages back.
  void clear();
  /// Holds the first `tokens` rows of `other` instead of its own, which are fewer: whole pages are shared, the rest of
  /// a page is copied, or left out where the pool has no page for it. Nothing changes if then fewer rows were held than
  /// before. Both have the same pool (or none), the same shape and pages of the same size.
  void share(const KvCache& other, std::size_t tokens);

 private:
  [[nodiscard]] std::shared_ptr<KvPage> make_page();

  std::size_t capacity_, length_ = 0;
  kernels::KeyValues shape_;  // of a page
  std::size_t layers_;
  KvPool* pool_ = nullptr;
  std::vector<std::shared_ptr<KvPage>> pages_;
};

}  // namespace lieq::model
