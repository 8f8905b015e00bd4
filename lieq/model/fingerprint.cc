#include "lieq/model/fingerprint.h"

#include <vector>

#include <fmt/format.h>
#include <xxhash.h>

namespace lieq::model {
namespace {

std::string hex(std::uint64_t hash) { return fmt::format("{:016x}", hash); }

}  // namespace

std::string fingerprint(const Model& model, Threads& threads) {
  std::vector<const io::Tensor*> tensors;
  for (const auto& [name, tensor] : model.files.all()) tensors.push_back(&tensor);
  std::vector<std::uint64_t> hashes(tensors.size());
  threads.for_each(tensors.size(), [&](std::size_t i, std::size_t) {
    const io::Tensor& t = *tensors[i];
    const std::string head = fmt::format("{} {} {}", t.name, name(t.type), io::shape_text(t.shape));
    hashes[i] = XXH3_64bits_withSeed(t.data.data(), t.data.size(), XXH3_64bits(head.data(), head.size()));
  });
  const ModelConfig& c = model.config;
  std::string config = fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {}", c.architecture, c.num_attention_heads,
                                   c.num_key_value_heads, c.head_dim, c.rms_norm_eps, name(c.rope.type), c.rope.theta,
                                   c.rope.factor, c.rope.original_max_position_embeddings, c.rope.attention_factor,
                                   c.rope.beta_fast, c.rope.beta_slow, c.tie_word_embeddings);
  if (c.attention_scale != 0 || c.embedding_multiplier != 1 || c.residual_multiplier != 1 || c.logits_scaling != 1)
    config +=
        fmt::format(" {} {} {} {}", c.attention_scale, c.embedding_multiplier, c.residual_multiplier, c.logits_scaling);
  if (c.rotated() != c.head_dim) config += fmt::format(" rotated {}", c.rotated());
  if (c.window_rope) config += fmt::format(" window theta {}", c.window_rope->theta);
  for (std::size_t l = 0; l < c.num_hidden_layers; ++l)
    if (c.kind(l) != LayerKind()) config += fmt::format(" {}: {} {}", l, c.kind(l).window, c.kind(l).rotated);
  return hex(
      XXH3_64bits_withSeed(hashes.data(), hashes.size() * sizeof hashes[0], XXH3_64bits(config.data(), config.size())));
}

std::string fingerprint(const void* data, std::size_t bytes) { return hex(XXH3_64bits(data, bytes)); }

}  // namespace lieq::model
