#include "lieq/base/layer_scores.h"

#include <array>
#include <charconv>
#include <set>
#include <utility>

#include "lieq/base/message.h"
#include "lieq/base/record_fields.h"

namespace lieq {
namespace {

constexpr std::uint64_t kMostLayers = 1 << 16;
/// Keeps sums of bits over all layers far from overflow; a thousand times the largest models.
constexpr std::uint64_t kMostWeights = std::uint64_t{1} << 44;

/// The compared numbers of ModelFacts by name.
template <class Facts>
auto numbers_of(Facts& facts) {
  return std::array{std::pair{"num_hidden_layers", &facts.num_hidden_layers},
                    std::pair{"hidden_size", &facts.hidden_size},
                    std::pair{"intermediate_size", &facts.intermediate_size},
                    std::pair{"num_attention_heads", &facts.num_attention_heads},
                    std::pair{"num_key_value_heads", &facts.num_key_value_heads},
                    std::pair{"vocab_size", &facts.vocab_size},
                    std::pair{"parameters", &facts.parameters}};
}

template <class Options>
auto words_of(Options& options) {
  return std::array{std::pair{"score", &options.score}, std::pair{"normalize", &options.normalize},
                    std::pair{"geometry_input", &options.geometry_input}, std::pair{"compute", &options.compute}};
}
template <class Options>
auto weights_of(Options& options) {
  return std::array{std::pair{"alpha", &options.alpha}, std::pair{"beta", &options.beta},
                    std::pair{"gamma", &options.gamma}};
}
template <class Options>
auto counts_of(Options& options) {
  return std::array{std::pair{"top_k", &options.top_k}, std::pair{"draws", &options.draws},
                    std::pair{"seed", &options.seed}, std::pair{"passages", &options.passages},
                    std::pair{"per_bucket", &options.per_bucket}};
}

Result<void> read_field(const Fields& fields, std::string_view key, std::string& value) {
  LIEQ_ASSIGN(value, required_string(fields, key));
  return {};
}
Result<void> read_field(const Fields& fields, std::string_view key, double& value) {
  LIEQ_ASSIGN(value, required_number(fields, key));
  return {};
}
Result<void> read_field(const Fields& fields, std::string_view key, std::uint64_t& value) {
  LIEQ_ASSIGN(value, fields.required_count(key));
  return {};
}

/// Tables of names and what they stand for, all required.
template <class... Tables>
Result<void> read_fields(const Fields& fields, const Tables&... tables) {
  Result<void> done;
  const auto read = [&](const auto& table) {
    for (const auto& [key, value] : table)
      if (done) done = read_field(fields, key, *value);
  };
  (read(tables), ...);
  return done;
}

template <class... Tables>
Json object_of(const Tables&... tables) {
  Json json = Json::object();
  const auto add = [&](const auto& table) {
    for (const auto& [key, value] : table) json[key] = *value;
  };
  (add(tables), ...);
  return json;
}

Json to_json(const ScoreOptions& options) {
  return object_of(words_of(options), weights_of(options), counts_of(options));
}

Result<ScoreOptions> options_from_json(const Fields& fields) {
  ScoreOptions options;
  LIEQ_TRY(read_fields(fields, words_of(options), weights_of(options), counts_of(options)));
  return options;
}

template <class Options>
auto sensitivity_words_of(Options& options) {
  return std::array{std::pair{"text", &options.text}, std::pair{"text_hash", &options.text_hash},
                    std::pair{"method", &options.method}, std::pair{"grid", &options.grid}};
}
template <class Options>
auto sensitivity_counts_of(Options& options) {
  return std::array{std::pair{"window", &options.window}, std::pair{"fit_tokens", &options.fit_tokens},
                    std::pair{"tokens", &options.tokens}, std::pair{"group_size", &options.group_size},
                    std::pair{"sweeps", &options.sweeps}};
}

Json to_json(const SensitivityOptions& options) {
  Json json = object_of(sensitivity_words_of(options), sensitivity_counts_of(options));
  if (!options.running.empty()) json["running"] = options.running;
  return json;
}

Result<SensitivityOptions> sensitivity_options_from_json(const Fields& fields) {
  SensitivityOptions options;
  LIEQ_TRY(read_fields(fields, sensitivity_words_of(options), sensitivity_counts_of(options)));
  if (fields.find("running")) {
    LIEQ_ASSIGN(options.running, required_string(fields, "running"));
  }
  return options;
}

template <class Options>
auto share_words_of(Options& options) {
  return std::array{std::pair{"text", &options.text}, std::pair{"text_hash", &options.text_hash},
                    std::pair{"method", &options.method}, std::pair{"grid", &options.grid}};
}
template <class Options>
auto share_counts_of(Options& options) {
  return std::array{std::pair{"fit_tokens", &options.fit_tokens}, std::pair{"tokens", &options.tokens},
                    std::pair{"bits", &options.bits}, std::pair{"group_size", &options.group_size},
                    std::pair{"sweeps", &options.sweeps}};
}

Json to_json(const KlShareOptions& options) {
  Json json = object_of(share_words_of(options), share_counts_of(options));
  json["kl"] = options.kl;
  return json;
}

Result<KlShareOptions> kl_share_options_from_json(const Fields& fields) {
  KlShareOptions options;
  LIEQ_ASSIGN(options.kl, required_number(fields, "kl"));
  LIEQ_TRY(read_fields(fields, share_words_of(options), share_counts_of(options)));
  return options;
}

Json to_json(const CellScores& cell) {
  Json json = {{"corpus", cell.corpus}, {"bucket", cell.bucket}, {"passages", cell.passages}, {"tokens", cell.tokens},
               {"compactness", cell.compactness}, {"energy_gain", cell.energy_gain}};
  if (cell.perplexity) json["perplexity"] = *cell.perplexity;
  if (!cell.perplexity_drop.empty()) json["perplexity_drop"] = cell.perplexity_drop;
  if (cell.rho_compactness) json["rho_compactness"] = *cell.rho_compactness;
  if (cell.rho_energy_gain) json["rho_energy_gain"] = *cell.rho_energy_gain;
  return json;
}

Result<CellScores> cell_from_json(const Json& json, const std::string& place, std::size_t num_layers) {
  const Fields fields(json, place);
  CellScores cell;
  LIEQ_ASSIGN(cell.corpus, required_string(fields, "corpus"));
  LIEQ_ASSIGN(cell.bucket, required_string(fields, "bucket"));
  LIEQ_ASSIGN(cell.passages, fields.required_count("passages"));
  LIEQ_ASSIGN(cell.tokens, fields.required_count("tokens"));
  LIEQ_ASSIGN(cell.compactness, required_numbers(fields, "compactness", num_layers));
  LIEQ_ASSIGN(cell.energy_gain, required_numbers(fields, "energy_gain", num_layers));
  if (fields.find("perplexity_drop")) {
    LIEQ_ASSIGN(cell.perplexity_drop, required_numbers(fields, "perplexity_drop", num_layers));
  }
  LIEQ_ASSIGN(cell.perplexity, fields.number("perplexity"));
  LIEQ_ASSIGN(cell.rho_compactness, fields.number("rho_compactness"));
  LIEQ_ASSIGN(cell.rho_energy_gain, fields.number("rho_energy_gain"));
  return cell;
}

Json to_json(const LayerScore& layer, std::size_t index) {
  Json json = {{"layer", index}, {"weights", layer.weights}, {"compactness", layer.compactness},
               {"energy_gain", layer.energy_gain}, {"compactness_normalised", layer.compactness_normalised},
               {"energy_gain_normalised", layer.energy_gain_normalised}, {"score", layer.score}, {"rank", layer.rank}};
  if (layer.perplexity_drop) json["perplexity_drop"] = *layer.perplexity_drop;
  if (layer.perplexity_drop_normalised) json["perplexity_drop_normalised"] = *layer.perplexity_drop_normalised;
  for (const auto& [bits, kl] : layer.sensitivity) json["sensitivity"][std::to_string(bits)] = kl;
  for (const auto& [name, one] : layer.linears)
    json["linears"][name] = {
        {"weights", one.weights}, {"kl_share", one.kl_share}, {"kl_share_error", one.kl_share_error}};
  return json;
}

Result<std::map<int, double>> sensitivity_from_json(const Fields& fields) {
  std::map<int, double> sensitivity;
  if (!fields.find("sensitivity")) return sensitivity;
  LIEQ_ASSIGN(const Json* object, required_object(fields, "sensitivity"));
  for (const auto& [key, value] : object->items()) {
    int bits = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), bits);
    if (error != std::errc() || end != key.data() + key.size() || bits < 1 || bits > 16)
      return fail(ErrorCode::kInvalidFormat, fields.place() + ": field 'sensitivity': found the key " + in_quotes(key) +
                                                 ", expected a width of 1 to 16 bits");
    if (!value.is_number()) return wrong_field(fields.place(), "sensitivity." + key, value, "a number");
    sensitivity[bits] = value.get<double>();
  }
  return sensitivity;
}

Result<std::map<std::string, LinearShare>> linears_from_json(const Fields& fields, std::uint64_t weights) {
  std::map<std::string, LinearShare> linears;
  if (!fields.find("linears")) return linears;
  LIEQ_ASSIGN(const Json* object, required_object(fields, "linears"));
  std::uint64_t all = 0;
  for (const auto& [name, value] : object->items()) {
    const Fields one(value, fields.place() + ": linears." + printable(name));
    LinearShare& linear = linears[name];
    LIEQ_ASSIGN(linear.weights, one.required_count("weights"));
    LIEQ_ASSIGN(linear.kl_share, required_number(one, "kl_share"));
    LIEQ_ASSIGN(const std::optional<double> error, one.number("kl_share_error"));
    linear.kl_share_error = error.value_or(0);
    if (linear.kl_share_error < 0) return wrong_field(one.place(), "kl_share_error", *error, "at least 0");
    if (linear.weights == 0 || linear.weights > weights - all)
      return wrong_field(one.place(), "weights", linear.weights, "at least 1, and in all linears the layer's weights");
    all += linear.weights;
  }
  if (all != weights)
    return wrong_field(fields.place(), "linears", all, std::to_string(weights) + " weights, as the layer has");
  return linears;
}

Result<LayerScore> layer_from_json(const Json& json, const std::string& place, std::size_t index) {
  const Fields fields(json, place);
  LayerScore layer;
  LIEQ_ASSIGN(const std::uint64_t number, fields.required_count("layer"));
  if (number != index) return wrong_field(place, "layer", number, std::to_string(index) + ": layers in order");
  LIEQ_ASSIGN(layer.weights, fields.required_count("weights"));
  if (layer.weights == 0 || layer.weights > kMostWeights)
    return wrong_field(place, "weights", layer.weights, "at least 1 and at most 2^44");
  for (const auto& [key, value] : {std::pair{"compactness", &layer.compactness},
                                   {"energy_gain", &layer.energy_gain},
                                   {"compactness_normalised", &layer.compactness_normalised},
                                   {"energy_gain_normalised", &layer.energy_gain_normalised},
                                   {"score", &layer.score}}) {
    LIEQ_ASSIGN(*value, required_number(fields, key));
  }
  LIEQ_ASSIGN(layer.rank, fields.required_count("rank"));
  LIEQ_ASSIGN(layer.perplexity_drop, fields.number("perplexity_drop"));
  LIEQ_ASSIGN(layer.perplexity_drop_normalised, fields.number("perplexity_drop_normalised"));
  LIEQ_ASSIGN(layer.sensitivity, sensitivity_from_json(fields));
  LIEQ_ASSIGN(layer.linears, linears_from_json(fields, layer.weights));
  return layer;
}

Result<void> check_layers(const LayerScores& scores, const std::string& place) {
  const std::size_t count = scores.layers.size();
  std::set<std::uint64_t> ranks;
  std::uint64_t weights = 0;
  for (std::size_t l = 0; l < count; ++l) {
    const LayerScore& layer = scores.layers[l];
    const std::string at = place + ": layers[" + std::to_string(l) + "]";
    if (layer.rank < 1 || layer.rank > count || !ranks.insert(layer.rank).second)
      return wrong_field(at, "rank", layer.rank, "each rank from 1 to " + std::to_string(count) + " once");
    weights += layer.weights;
  }
  if (weights > kMostWeights) return wrong_field(place, "layers.weights", weights, "at most 2^44 in all layers");
  if (weights > scores.model.parameters)
    return wrong_field(place, "model.parameters", scores.model.parameters,
                       "at least " + std::to_string(weights) + ", the weights of all layers");
  return {};
}

}  // namespace

Result<void> check_same_model(const ModelFacts& found, const ModelFacts& expected, const std::string& place) {
  if (found.architecture != expected.architecture)
    return fail(ErrorCode::kInvalidFormat, place + ": field 'model.architecture': found " +
                                               in_quotes(found.architecture) + ", expected " +
                                               in_quotes(expected.architecture) + " as in " + printable(expected.name));
  const auto a = numbers_of(found), b = numbers_of(expected);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (*a[i].second != *b[i].second)
      return wrong_field(place, std::string("model.") + a[i].first, *a[i].second,
                         std::to_string(*b[i].second) + " as in " + printable(expected.name));
  }
  return {};
}

Json to_json(const ModelFacts& facts) {
  Json json = {{"name", facts.name}, {"architecture", facts.architecture}};
  for (const auto& [key, value] : numbers_of(facts)) json[key] = *value;
  return json;
}

Result<ModelFacts> model_facts_from_json(const Fields& fields, std::string_view key) {
  LIEQ_ASSIGN(const Json* json, required_object(fields, key));
  const Fields model(*json, fields.place() + ": " + std::string(key));
  ModelFacts facts;
  LIEQ_ASSIGN(facts.name, required_string(model, "name"));
  LIEQ_ASSIGN(facts.architecture, required_string(model, "architecture"));
  for (const auto& [name, value] : numbers_of(facts)) {
    LIEQ_ASSIGN(*value, model.required_count(name));
  }
  if (facts.num_hidden_layers < 1 || facts.num_hidden_layers > kMostLayers)
    return wrong_field(model.place(), "num_hidden_layers", facts.num_hidden_layers, "1 to 65536");
  if (facts.parameters > kMostWeights)
    return wrong_field(model.place(), "parameters", facts.parameters, "at most 2^44");
  return facts;
}

Json to_json(const LayerScores& scores) {
  Json json = {{"model", to_json(scores.model)}, {"options", to_json(scores.options)}, {"warnings", scores.warnings}};
  if (scores.sensitivity) json["sensitivity"] = to_json(*scores.sensitivity);
  if (scores.kl_shares) json["kl_shares"] = to_json(*scores.kl_shares);
  json["cells"] = Json::array();
  for (const CellScores& cell : scores.cells) json["cells"].push_back(to_json(cell));
  json["layers"] = Json::array();
  for (std::size_t l = 0; l < scores.layers.size(); ++l) json["layers"].push_back(to_json(scores.layers[l], l));
  return json;
}

Result<LayerScores> layer_scores_from_json(const Json& json, const std::string& place) {
  const Fields fields(json, place);
  LayerScores scores;
  LIEQ_ASSIGN(scores.model, model_facts_from_json(fields, "model"));
  LIEQ_ASSIGN(const Json* options, required_object(fields, "options"));
  LIEQ_ASSIGN(scores.options, options_from_json(Fields(*options, place + ": options")));
  if (fields.find("sensitivity")) {
    LIEQ_ASSIGN(const Json* measured, required_object(fields, "sensitivity"));
    LIEQ_ASSIGN(scores.sensitivity, sensitivity_options_from_json(Fields(*measured, place + ": sensitivity")));
  }
  if (fields.find("kl_shares")) {
    LIEQ_ASSIGN(const Json* measured, required_object(fields, "kl_shares"));
    LIEQ_ASSIGN(scores.kl_shares, kl_share_options_from_json(Fields(*measured, place + ": kl_shares")));
  }
  const auto at = [&](const char* list, std::size_t i) { return place + ": " + list + "[" + std::to_string(i) + "]"; };

  LIEQ_ASSIGN(const Json* layers, required_list(fields, "layers"));
  const std::size_t count = scores.model.num_hidden_layers;
  if (layers->size() != count)
    return wrong_field(place, "layers", *layers, "a list of " + std::to_string(count) + " (model.num_hidden_layers)");
  for (std::size_t l = 0; l < count; ++l) {
    LIEQ_ASSIGN(LayerScore layer, layer_from_json((*layers)[l], at("layers", l), l));
    scores.layers.push_back(std::move(layer));
  }
  LIEQ_TRY(check_layers(scores, place));

  LIEQ_ASSIGN(const Json* cells, required_list(fields, "cells"));
  for (std::size_t c = 0; c < cells->size(); ++c) {
    LIEQ_ASSIGN(CellScores cell, cell_from_json((*cells)[c], at("cells", c), count));
    scores.cells.push_back(std::move(cell));
  }
  if (const Json* warnings = fields.find("warnings"); warnings && warnings->is_array()) {
    for (const Json& line : *warnings)
      if (line.is_string()) scores.warnings.push_back(line.get<std::string>());
  }
  return scores;
}

}  // namespace lieq
