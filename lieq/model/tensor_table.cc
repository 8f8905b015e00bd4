#include "lieq/model/tensor_table.h"

#include <algorithm>

#include "lieq/base/check.h"

namespace lieq::model {

std::string_view name(LinearKind kind) {
  switch (kind) {
    case LinearKind::kQ: return "self_attn.q_proj";
    case LinearKind::kK: return "self_attn.k_proj";
    case LinearKind::kV: return "self_attn.v_proj";
    case LinearKind::kO: return "self_attn.o_proj";
    case LinearKind::kGate: return "mlp.gate_proj";
    case LinearKind::kUp: return "mlp.up_proj";
    case LinearKind::kDown: return "mlp.down_proj";
  }
  LIEQ_CHECK(false);
}

namespace {

constexpr std::string_view kHidden = "hidden_size", kWidth = "intermediate_size";
constexpr std::string_view kHeads = "num_attention_heads x head_dim", kKvHeads = "num_key_value_heads x head_dim";

/// Collects the rows that a configuration has in one format.
class Table {
 public:
  Table(const ModelConfig& config, Names names)
      : c_(config), row_(architecture_of(config.architecture)), names_(names) {}

  std::vector<TensorSpec> make() {
    using enum Role;
    using enum LinearKind;
    const bool before = c_.norms != NormPlacement::kAfter, after = c_.norms != NormPlacement::kBefore;
    norm(kInputNorm, "input_layernorm", "attn_norm", before);
    if (row_.fusion == Fusion::kAll) {
      linear({kQ, kK, kV}, "self_attn.qkv_proj", "attn_qkv",
             "(num_attention_heads + 2 x num_key_value_heads) x head_dim, hidden_size", c_.qkv_bias);
    } else {
      linear({kQ}, "self_attn.q_proj", "attn_q", "num_attention_heads x head_dim, hidden_size", c_.qkv_bias);
      linear({kK}, "self_attn.k_proj", "attn_k", "num_key_value_heads x head_dim, hidden_size", c_.qkv_bias);
      linear({kV}, "self_attn.v_proj", "attn_v", "num_key_value_heads x head_dim, hidden_size", c_.qkv_bias);
    }
    linear({kO}, "self_attn.o_proj", "attn_output", "hidden_size, num_attention_heads x head_dim", c_.o_bias);
    const bool rows = c_.qk_norm == QkNorm::kWholeRow;
    vector(kQNorm, "self_attn.q_norm", "attn_q_norm", rows ? c_.q_size() : c_.head_dim, rows ? kHeads : "head_dim",
           c_.qk_norm != QkNorm::kNone);
    vector(kKNorm, "self_attn.k_norm", "attn_k_norm", rows ? c_.kv_size() : c_.head_dim, rows ? kKvHeads : "head_dim",
           c_.qk_norm != QkNorm::kNone);
    // Families with norms behind attention call those post_attention_layernorm, which is before the MLP in others.
    if (after) norm(kAttentionOutputNorm, "post_attention_layernorm", "post_attention_norm", true);
    norm(kPostAttentionNorm, after ? "pre_feedforward_layernorm" : "post_attention_layernorm", "ffn_norm", before);
    mlp();
    norm(kMlpOutputNorm, "post_feedforward_layernorm", "post_ffw_norm", after);
    top(kEmbedding, "model.embed_tokens.weight", "token_embd.weight", {c_.vocab_size, c_.hidden_size},
        "vocab_size, hidden_size", true);
    top(kFinalNorm, "model.norm.weight", "output_norm.weight", {c_.hidden_size}, kHidden, true);
    top(kHead, "lm_head.weight", "output.weight", {c_.vocab_size, c_.hidden_size}, "vocab_size, hidden_size",
        !c_.tie_word_embeddings);
    return std::move(specs_);
  }

 private:
  void mlp() {
    using enum LinearKind;
    constexpr std::string_view kInto = "intermediate_size, hidden_size", kOut = "hidden_size, intermediate_size";
    constexpr std::string_view kBoth = "2 x intermediate_size, hidden_size";
    const bool gguf = names_ == Names::kGguf, shared = row_.fusion == Fusion::kShared;
    if (row_.fusion == Fusion::kAll || (shared && !gguf)) {
      linear({kGate, kUp}, shared ? "shared_mlp.input_linear" : "mlp.gate_up_proj", "ffn_up", kBoth, c_.mlp_bias);
    } else {
      linear({kGate}, "mlp.gate_proj", "ffn_gate", kInto, c_.mlp_bias);
      linear({kUp}, "mlp.up_proj", "ffn_up", kInto, c_.mlp_bias);
    }
    linear({kDown}, shared ? "shared_mlp.output_linear" : "mlp.down_proj", "ffn_down", kOut, c_.mlp_bias);
  }

  void linear(std::vector<LinearKind> kinds, std::string_view hf, std::string_view gguf, std::string_view words,
              bool bias) {
    std::size_t out = 0;
    for (const LinearKind kind : kinds) out += outputs_of(c_, kind);
    const bool is_down = kinds.front() == LinearKind::kDown, is_o = kinds.front() == LinearKind::kO;
    const std::size_t in = is_down ? c_.intermediate_size : is_o ? c_.q_size() : c_.hidden_size;
    const std::string_view outputs = words.substr(0, words.find(", "));
    specs_.push_back({Role::kLinear,
                      kinds,
                      layer(hf, ".weight", true),
                      layer(gguf, ".weight", false),
                      true,
                      {out, in},
                      words,
                      true});
    specs_.push_back({Role::kBias,
                      std::move(kinds),
                      layer(hf, ".bias", true),
                      layer(gguf, ".bias", false),
                      true,
                      {out},
                      outputs,
                      bias});
  }
  static std::string layer(std::string_view name, std::string_view end, bool hf) {
    return std::string(hf ? "model.layers.{}." : "blk.{}.").append(name).append(end);
  }
  void vector(Role role, std::string_view hf, std::string_view gguf, std::size_t size, std::string_view words,
              bool required) {
    specs_.push_back({role,
                      {},
                      layer(hf, ".weight", true),
                      layer(gguf, ".weight", false),
                      true,
                      {size},
                      words,
                      required,
                      row_.norms_from_one});
  }
  void norm(Role role, std::string_view hf, std::string_view gguf, bool required) {
    vector(role, hf, gguf, c_.hidden_size, kHidden, required);
  }
  void top(Role role, std::string_view hf, std::string_view gguf, std::vector<std::size_t> shape,
           std::string_view words, bool required) {
    specs_.push_back({role,
                      {},
                      std::string(hf),
                      std::string(gguf),
                      false,
                      std::move(shape),
                      words,
                      required,
                      role == Role::kFinalNorm && row_.norms_from_one});
  }

  const ModelConfig& c_;
  const Architecture& row_;
  Names names_;
  std::vector<TensorSpec> specs_;
};

}  // namespace

std::vector<TensorSpec> tensor_table(const ModelConfig& config, Names names) { return Table(config, names).make(); }

std::size_t outputs_of(const ModelConfig& config, LinearKind kind) {
  switch (kind) {
    case LinearKind::kQ: return config.q_size();
    case LinearKind::kK:
    case LinearKind::kV: return config.kv_size();
    case LinearKind::kO:
    case LinearKind::kDown: return config.hidden_size;
    case LinearKind::kGate:
    case LinearKind::kUp: return config.intermediate_size;
  }
  LIEQ_CHECK(false);
}

std::vector<LinearModule> linear_modules(const ModelConfig& config) {
  std::vector<LinearModule> modules;
  for (const TensorSpec& spec : tensor_table(config))
    if (spec.role == Role::kLinear) modules.push_back({module_name(spec.hf_name), spec.linears});
  return modules;
}

std::string name_in_layer(const LinearModule& module) {
  return module.pattern.substr(std::string_view("model.layers.{}.").size());
}

std::vector<std::string> linear_names(const std::string& architecture) {
  ModelConfig config;  // of whose sizes names do not depend
  const auto found = std::ranges::find(architectures(), architecture, &Architecture::hf_name);
  config.architecture = (found == architectures().end() ? architectures().front() : *found).hf_name;
  std::vector<std::string> names;
  for (const LinearModule& module : linear_modules(config)) names.push_back(name_in_layer(module));
  return names;
}

std::string module_name(std::string_view tensor) {
  return std::string(tensor.substr(0, tensor.size() - std::string_view(".weight").size()));
}

std::string tensor_name(std::string_view pattern, std::size_t layer) {
  std::string name(pattern);
  const std::size_t place = name.find("{}");
  if (place != std::string::npos) name.replace(place, 2, std::to_string(layer));
  return name;
}

}  // namespace lieq::model
