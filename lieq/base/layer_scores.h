#pragma once
/// What diagnosis measured about each layer: the record between `lieq diagnose` and `lieq allocate` (scores.json).

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq {

/// The facts that tell one model from another: scores and plans carry them, so that those of another model are refused.
struct ModelFacts {
  std::string name;          ///< as the user named it; not compared
  std::string architecture;  ///< e.g. "LlamaForCausalLM"
  std::uint64_t num_hidden_layers = 0, hidden_size = 0, intermediate_size = 0;
  std::uint64_t num_attention_heads = 0, num_key_value_heads = 0, vocab_size = 0;
  std::uint64_t parameters = 0;  ///< all weights, those of a tied head once

  bool operator==(const ModelFacts&) const = default;
};

/// Errors: kInvalidFormat "PLACE: field 'model.hidden_size': found 576, expected 2048 as in MODEL".
[[nodiscard]] Result<void> check_same_model(const ModelFacts& found, const ModelFacts& expected,
                                            const std::string& place);

/// The three metrics of every layer on the passages of one corpus and length bucket (PAPER section 1).
struct CellScores {
  std::string corpus, bucket;     ///< file name; "33-128" or "129-512"
  std::uint64_t passages = 0;     ///< those the perplexity is over
  std::uint64_t tokens = 0;       ///< in them
  std::optional<double> perplexity;                       ///< of the whole model
  std::vector<double> perplexity_drop;                    ///< dPPL_l, Eq. 1-2, or empty when it was not measured
  std::vector<double> compactness, energy_gain;           ///< dr_l, Eq. 3-5; dE_l, Eq. 6-7
  std::optional<double> rho_compactness, rho_energy_gain;  ///< Spearman rho(dPPL, dr), rho(dPPL, dE)
};

/// A linear, or several that lie in one tensor.
struct LinearShare {
  std::uint64_t weights = 0;
  double kl_share = 0;        ///< nats a token: what rounding it to KlShareOptions::bits adds to KL, to first order
  double kl_share_error = 0;  ///< its standard error over the text; 0: not known
};

/// One layer: metrics (means over the cells), their normalised values, the score and the rank it gives.
struct LayerScore {
  std::uint64_t weights = 0;  ///< N_l, the weights of the layer's linears
  std::optional<double> perplexity_drop;
  double compactness = 0, energy_gain = 0;
  std::optional<double> perplexity_drop_normalised;
  double compactness_normalised = 0, energy_gain_normalised = 0;
  double score = 0;        ///< s_l, Eq. 10
  std::uint64_t rank = 0;  ///< 1 for the highest score; ties: the lower layer first
  /// Optional, measured elsewhere: KL in nats per token when this layer alone is quantised to so many bits.
  std::map<int, double> sensitivity;
  /// Optional: what each linear's rounding adds, by module name within the layer: "self_attn.v_proj".
  std::map<std::string, LinearShare> linears;

  /// Of all linears.
  [[nodiscard]] double kl_share() const {
    double sum = 0;
    for (const auto& [name, linear] : linears) sum += linear.kl_share;
    return sum;
  }
};

/// How the scores were made.
struct ScoreOptions {
  std::string score = "geometry";          ///< "geometry" (v2) or "lieq" (v1)
  std::string normalize = "minmax";        ///< "minmax", "sum", "zscore", "rank" or "log"
  std::string geometry_input = "normed";   ///< "normed": as q, k and v read it; "residual": the raw stream
  std::string compute = "fp32";            ///< arithmetic of the forward passes
  double alpha = 0, beta = 0.5, gamma = 0.5;
  std::uint64_t top_k = 8, draws = 4, seed = 42, passages = 1, per_bucket = 100;
};

/// How LayerScore::sensitivity was measured.
struct SensitivityOptions {
  std::string text, text_hash;           ///< file name or "self"; names the token ids, those fitted to and those scored
  std::uint64_t window = 0, fit_tokens = 0,
                tokens = 0;              ///< tokens of a window, fitted to, and that KL is the mean over
  std::string method, grid;              ///< as of lieq quantize
  std::uint64_t group_size = 0, sweeps = 0;  ///< weights that share a scale (0: a row); rounds of descent
  std::string running = {};  ///< the quantised model whose other layers ran; empty: the original's
};

/// How LinearShare::kl_share was measured: in a draft, the model quantised with little care.
struct KlShareOptions {
  std::string text, text_hash;               ///< what the draft was fitted to, and KL measured on; names the token ids
  std::uint64_t fit_tokens = 0, tokens = 0;  ///< tokens fitted to, and that KL is the mean over
  std::string method, grid;                  ///< of the draft, as of lieq quantize
  std::uint64_t bits = 0, group_size = 0, sweeps = 0;
  double kl = 0;                             ///< of the draft, nats a token
};

/// `layers` has one entry for each layer, in order.
struct LayerScores {
  ModelFacts model;
  ScoreOptions options;
  std::optional<SensitivityOptions> sensitivity;  ///< empty when it was not measured, or not by us
  std::optional<KlShareOptions> kl_shares;        ///< empty when they were not measured, or not by us
  std::vector<CellScores> cells;
  std::vector<LayerScore> layers;
  std::vector<std::string> warnings;  ///< plain sentences: where these scores are weak
};

[[nodiscard]] Json to_json(const ModelFacts& facts);
[[nodiscard]] Json to_json(const LayerScores& scores);
/// Reads the object `key` of `fields`. Errors: kInvalidFormat naming the place and the field.
[[nodiscard]] Result<ModelFacts> model_facts_from_json(const Fields& fields, std::string_view key);
/// Errors: kInvalidFormat naming `place` and the field; lists whose length is not num_hidden_layers; ranks that are no
/// order of the layers.
[[nodiscard]] Result<LayerScores> layer_scores_from_json(const Json& json, const std::string& place);

}  // namespace lieq
