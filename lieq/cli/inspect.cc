#include <algorithm>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "lieq/cli/command.h"
#include "lieq/eval/bundle.h"
#include "lieq/pipeline/sources.h"
#include "lieq/report/text_table.h"
#include "lieq/terminal/console.h"

namespace lieq::cli {
namespace inspect_verb {

struct Options {
  std::string model;
  bool json = false;
};

/// "Q4_1", or "Q4_1 + Q6_K" where the linears of a layer differ.
std::string types_of(const model::Layer& layer) {
  std::map<std::string, std::size_t> types;
  for (const model::Linear& linear : layer.linears) types[linear.weight.format()] += 1;
  std::string text;
  for (const auto& [type, count] : types) text += (text.empty() ? "" : " + ") + type;
  return text;
}

std::string rope_text(const model::RopeConfig& rope) {
  using model::RopeType;
  std::string text = fmt::format("theta {}", rope.theta);
  if (rope.type != RopeType::kDefault) text += fmt::format(", {} scaling", name(rope.type));
  if (rope.type != RopeType::kDefault && rope.type != RopeType::kLongRope) text += fmt::format(" by {}", rope.factor);
  if (rope.type != RopeType::kDefault && rope.type != RopeType::kLinear)
    text += fmt::format(" beyond {}", rope.original_max_position_embeddings);
  if (rope.attention_factor != 1) text += fmt::format(", attention factor {:.4g}", rope.attention_factor);
  if (!rope.divisors.empty()) text += ", frequency divisors from the file";
  return text;
}

/// "512 tokens in 15 of 18 layers", or empty.
std::string windows_text(const model::Model& model) {
  std::size_t window = 0, count = 0;
  for (const model::Layer& layer : model.layers) {
    window = std::max(window, layer.attention.window);
    count += layer.attention.window != 0 ? 1 : 0;
  }
  return window == 0 ? "" : fmt::format("{} tokens in {} of {} layers", window, count, model.layers.size());
}

std::size_t unrotated_layers(const model::Model& model) {
  return static_cast<std::size_t>(
      std::ranges::count_if(model.layers, [](const model::Layer& layer) { return !layer.attention.rotated; }));
}

Json to_json(const eval::Bundle& bundle) {
  const model::Model& m = bundle.model;
  const model::ModelConfig& c = m.config;
  const model::Footprint linears = linears_footprint(m);
  Json layers = Json::array();
  for (std::size_t l = 0; l < m.layers.size(); ++l) {
    const model::Footprint f = footprint(m.layers[l]);
    layers.push_back({{"layer", l},
                      {"parameters", f.parameters},
                      {"bytes", f.bytes},
                      {"type", types_of(m.layers[l])},
                      {"code_bits", f.mean_code_bits()},
                      {"true_bits", f.mean_true_bits()}});
  }
  const std::size_t parameters = parameter_count(m);
  Json fields = shape_fields(c);
  fields.update({{"model", m.path.string()},
                 {"format", m.format},
                 {"architecture", c.architecture},
                 {"parameters", parameters},
                 {"tie_word_embeddings", c.tie_word_embeddings},
                 {"tokenizer", bundle.tokenizer.kind()},
                 {"code_bits", linears.mean_code_bits()},
                 {"true_bits", linears.mean_true_bits()},
                 {"file_bytes", m.files.file_bytes()},
                 {"file_bits", 8.0 * static_cast<double>(m.files.file_bytes()) / static_cast<double>(parameters)},
                 {"layers", layers}});
  return fields;
}

void print(const eval::Bundle& bundle) {
  const model::Model& m = bundle.model;
  const model::ModelConfig& c = m.config;
  const model::Footprint linears = linears_footprint(m);
  const std::size_t parameters = parameter_count(m);
  const auto line = [](std::string_view what, const std::string& value) { fmt::print("{:<14}{}\n", what, value); };
  line("model", m.path.string());
  line("architecture", fmt::format("{} ({})", c.architecture, m.format));
  line("parameters", fmt::format("{:.1f} M, {:.1f} M of them in transformer linears",
                                 static_cast<double>(parameters) / 1e6, static_cast<double>(linears.parameters) / 1e6));
  line("layers", fmt::format("{} of hidden_size {}, intermediate_size {}", c.num_hidden_layers, c.hidden_size,
                             c.intermediate_size));
  line("attention", fmt::format("{} heads, {} key-value heads, head_dim {}{}{}", c.num_attention_heads,
                                c.num_key_value_heads, c.head_dim, c.qkv_bias ? ", q/k/v bias" : "",
                                c.qk_norm != model::QkNorm::kNone ? ", q/k norm" : ""));
  if (const std::string windows = windows_text(m); !windows.empty()) line("windows", windows);
  line("rope", rope_text(c.rope));
  if (c.window_rope && !windows_text(m).empty()) line("window rope", rope_text(*c.window_rope));
  if (const std::size_t none = unrotated_layers(m))
    line("no rope", fmt::format("in {} of {} layers", none, m.layers.size()));
  line("context", fmt::format("{} tokens", c.max_position_embeddings));
  line("embedding", fmt::format("{} x {}, {}, head {}", c.vocab_size, c.hidden_size, m.embed_tokens.format(),
                                c.tie_word_embeddings ? "tied" : fmt::format("untied, {}", m.lm_head.format())));
  line("tokenizer", fmt::format("{}, {} ids", bundle.tokenizer.kind(), bundle.tokenizer.vocab_size()));
  line("bits",
       fmt::format("{:.3f} code bits, {:.3f} true bits per weight of the linears; {:.3f} file bits per parameter",
                   linears.mean_code_bits(), linears.mean_true_bits(),
                   8.0 * static_cast<double>(m.files.file_bytes()) / static_cast<double>(parameters)));
  line("files", fmt::format("{}, all weights finite", bytes_text(m.files.file_bytes())));
  std::vector<std::vector<std::string>> rows;
  for (std::size_t l = 0; l < m.layers.size(); ++l) {
    const model::Footprint f = footprint(m.layers[l]);
    rows.push_back({std::to_string(l), types_of(m.layers[l]),
                    fmt::format("{:.3f} M", static_cast<double>(f.parameters) / 1e6), bytes_text(f.bytes),
                    fmt::format("{:.2f}", f.mean_code_bits()), fmt::format("{:.2f}", f.mean_true_bits())});
  }
  fmt::print("\n{}", report::table({"layer", "type", "weights", "size", "code bits", "true bits"}, rows));
}

}  // namespace inspect_verb

Run add_inspect(OptionSet& app, const Common& common) {
  using namespace inspect_verb;
  const auto options = std::make_shared<Options>();
  app.add("MODEL", options->model, kModelHelp).required();
  app.flag("--json", options->json, "Print JSON instead of text");
  return [options, &common]() -> Result<void> {
    Threads threads(common.threads);
    terminal::Console console;
    LIEQ_ASSIGN(const eval::Bundle bundle, pipeline::load_bundle(options->model, threads, console));
    if (options->json) {
      fmt::print("{}\n", indented(to_json(bundle)));
    } else {
      print(bundle);
    }
    return {};
  };
}

}  // namespace lieq::cli
