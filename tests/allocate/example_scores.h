#pragma once
/// Made-up scores for tests of allocation.

#include "lieq/base/layer_scores.h"
#include "lieq/base/random.h"

namespace lieq::test {

/// Seeded scores; layers of the same size, or of sizes between 1,000 and 3,000.
inline LayerScores example_scores(std::size_t layers, std::uint64_t seed, bool same_size = true) {
  Random random(seed), shares(seed + 1);
  LayerScores scores;
  scores.model = {.name = "tiny", .architecture = "LlamaForCausalLM", .num_hidden_layers = layers, .hidden_size = 64,
                  .intermediate_size = 192, .num_attention_heads = 4, .num_key_value_heads = 2, .vocab_size = 300,
                  .parameters = 50'000};
  std::vector<std::size_t> order(layers);
  for (std::size_t l = 0; l < layers; ++l) {
    order[l] = l;
    std::swap(order[l], order[random.below(l + 1)]);
  }
  for (std::size_t l = 0; l < layers; ++l) {
    LayerScore& layer = scores.layers.emplace_back();
    layer.weights = same_size ? 4096 : 1000 + random.below(2001);
    layer.perplexity_drop = 100 * random.uniform();
    layer.compactness = random.uniform() - 0.5;
    layer.energy_gain = random.uniform() - 0.5;
    layer.perplexity_drop_normalised = random.uniform();
    layer.rank = order[l] + 1;
    layer.score = 1 / static_cast<double>(layer.rank);
    const double base = random.uniform();
    layer.sensitivity = {{2, base}, {3, base * (0.2 + 0.3 * random.uniform())}, {4, base * 0.1 * random.uniform()}};
    layer.linears = {{"mlp.up_proj", {layer.weights / 4, shares.normal()}},
                     {"self_attn.v_proj", {layer.weights - layer.weights / 4, shares.normal()}}};
    scores.model.parameters += layer.weights;
  }
  CellScores cell{.corpus = "wiki.txt",
                  .bucket = "33-128",
                  .passages = 7,
                  .tokens = 600,
                  .perplexity = 12.5,
                  .perplexity_drop = {},
                  .compactness = {},
                  .energy_gain = {},
                  .rho_compactness = 0.25,
                  .rho_energy_gain = -0.5};
  for (const LayerScore& layer : scores.layers) {
    cell.perplexity_drop.push_back(*layer.perplexity_drop);
    cell.compactness.push_back(layer.compactness);
    cell.energy_gain.push_back(layer.energy_gain);
  }
  scores.cells.push_back(cell);
  scores.warnings = {"a warning"};
  scores.sensitivity = SensitivityOptions{.text = "wiki.txt",
                                          .text_hash = "a1",
                                          .window = 32,
                                          .fit_tokens = 128,
                                          .tokens = 64,
                                          .method = "gptq",
                                          .grid = "skew",
                                          .group_size = 64,
                                          .sweeps = 1};
  scores.kl_shares = KlShareOptions{.text = "wiki.txt",
                                    .text_hash = "b2",
                                    .fit_tokens = 128,
                                    .tokens = 64,
                                    .method = "gptq",
                                    .grid = "half",
                                    .bits = 2,
                                    .group_size = 64,
                                    .sweeps = 1,
                                    .kl = 0.5};
  return scores;
}

}  // namespace lieq::test
