#include "lieq/model/tensor_table.h"

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

std::vector<TensorSpec> tensor_table(const ModelConfig& c) {
  using enum Role;
  using enum LinearKind;
  const std::size_t h = c.hidden_size, m = c.intermediate_size, q = c.q_size(), kv = c.kv_size(), v = c.vocab_size;
  const std::string_view q_words = "num_attention_heads x head_dim", kv_words = "num_key_value_heads x head_dim";
  const std::string_view h_words = "hidden_size", m_words = "intermediate_size";
  return {
      {kInputNorm, kQ, "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", true, {h}, h_words, true},
      {kLinear,
       kQ,
       "model.layers.{}.self_attn.q_proj.weight",
       "blk.{}.attn_q.weight",
       true,
       {q, h},
       "num_attention_heads x head_dim, hidden_size",
       true},
      {kLinear,
       kK,
       "model.layers.{}.self_attn.k_proj.weight",
       "blk.{}.attn_k.weight",
       true,
       {kv, h},
       "num_key_value_heads x head_dim, hidden_size",
       true},
      {kLinear,
       kV,
       "model.layers.{}.self_attn.v_proj.weight",
       "blk.{}.attn_v.weight",
       true,
       {kv, h},
       "num_key_value_heads x head_dim, hidden_size",
       true},
      {kLinear,
       kO,
       "model.layers.{}.self_attn.o_proj.weight",
       "blk.{}.attn_output.weight",
       true,
       {h, q},
       "hidden_size, num_attention_heads x head_dim",
       true},
      {kBias, kQ, "model.layers.{}.self_attn.q_proj.bias", "blk.{}.attn_q.bias", true, {q}, q_words, c.qkv_bias},
      {kBias, kK, "model.layers.{}.self_attn.k_proj.bias", "blk.{}.attn_k.bias", true, {kv}, kv_words, c.qkv_bias},
      {kBias, kV, "model.layers.{}.self_attn.v_proj.bias", "blk.{}.attn_v.bias", true, {kv}, kv_words, c.qkv_bias},
      {kBias, kO, "model.layers.{}.self_attn.o_proj.bias", "blk.{}.attn_output.bias", true, {h}, h_words, c.o_bias},
      {kQNorm,
       kQ,
       "model.layers.{}.self_attn.q_norm.weight",
       "blk.{}.attn_q_norm.weight",
       true,
       {c.head_dim},
       "head_dim",
       c.qk_norm},
      {kKNorm,
       kK,
       "model.layers.{}.self_attn.k_norm.weight",
       "blk.{}.attn_k_norm.weight",
       true,
       {c.head_dim},
       "head_dim",
       c.qk_norm},
      {kPostAttentionNorm,
       kQ,
       "model.layers.{}.post_attention_layernorm.weight",
       "blk.{}.ffn_norm.weight",
       true,
       {h},
       h_words,
       true},
      {kLinear,
       kGate,
       "model.layers.{}.mlp.gate_proj.weight",
       "blk.{}.ffn_gate.weight",
       true,
       {m, h},
       "intermediate_size, hidden_size",
       true},
      {kLinear,
       kUp,
       "model.layers.{}.mlp.up_proj.weight",
       "blk.{}.ffn_up.weight",
       true,
       {m, h},
       "intermediate_size, hidden_size",
       true},
      {kLinear,
       kDown,
       "model.layers.{}.mlp.down_proj.weight",
       "blk.{}.ffn_down.weight",
       true,
       {h, m},
       "hidden_size, intermediate_size",
       true},
      {kBias, kGate, "model.layers.{}.mlp.gate_proj.bias", "blk.{}.ffn_gate.bias", true, {m}, m_words, c.mlp_bias},
      {kBias, kUp, "model.layers.{}.mlp.up_proj.bias", "blk.{}.ffn_up.bias", true, {m}, m_words, c.mlp_bias},
      {kBias, kDown, "model.layers.{}.mlp.down_proj.bias", "blk.{}.ffn_down.bias", true, {h}, h_words, c.mlp_bias},
      {kEmbedding,
       kQ,
       "model.embed_tokens.weight",
       "token_embd.weight",
       false,
       {v, h},
       "vocab_size, hidden_size",
       true},
      {kFinalNorm, kQ, "model.norm.weight", "output_norm.weight", false, {h}, h_words, true},
      {kHead, kQ, "lm_head.weight", "output.weight", false, {v, h}, "vocab_size, hidden_size", !c.tie_word_embeddings},
  };
}

std::string tensor_name(std::string_view pattern, std::size_t layer) {
  std::string name(pattern);
  const std::size_t place = name.find("{}");
  if (place != std::string::npos) name.replace(place, 2, std::to_string(layer));
  return name;
}

}  // namespace lieq::model
