#include "lieq/pipeline/bench_models.h"

#include <chrono>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/hub/pull.h"
#include "lieq/pipeline/evaluate.h"

namespace lieq::pipeline {
namespace {

Result<ModelSpeed> measure(const std::string& path, const BenchModelsOptions& options, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const std::filesystem::path file, hub::find_model(path, sink));
  const std::size_t before = eval::resident_bytes();
  const auto start = std::chrono::steady_clock::now();
  LIEQ_ASSIGN(const model::Model model, model::Model::load(file, threads, sink, options.load));
  ModelSpeed measured;
  measured.load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::size_t after = eval::resident_bytes();
  measured.resident = after > before ? after - before : 0;
  measured.name = model_label(path);
  measured.linears = linears_footprint(model);
  measured.embeddings = embeddings_footprint(model);
  measured.parameters = parameter_count(model);
  measured.format = fmt::format("{:.2f} bits, head {}", measured.linears.mean_true_bits(), model.lm_head.format());
  model::RunState state(model, threads, options.compute);
  LIEQ_ASSIGN(measured.speed, eval::measure_speed(model, options.speed, state));
  return measured;
}

Json record_of(const ModelSpeed& one, const BenchModelsOptions& options, double bandwidth, std::size_t threads) {
  const auto rates = [](std::size_t tokens, const eval::Rates& r) {
    return Json{
        {"tokens", tokens}, {"mean", r.mean()}, {"stddev", r.deviation()}, {"best", r.best()}, {"samples", r.values}};
  };
  return {{"model", one.name},
          {"threads", threads},
          {"activations", compute_name(options.compute)},
          {"parameters", one.parameters},
          {"linear_code_bits", one.linears.mean_code_bits()},
          {"linear_true_bits", one.linears.mean_true_bits()},
          {"load_seconds", one.load_seconds},
          {"memory",
           {{"linears", one.linears.memory},
            {"embeddings", one.embeddings.memory},
            {"cache", one.speed.cache_bytes},
            {"resident_after_load", one.resident}}},
          {"prompt_tokens_per_second", rates(options.speed.prompt_tokens, one.speed.prompt)},
          {"decode_tokens_per_second", rates(options.speed.new_tokens, one.speed.decode)},
          {"decode_bytes_per_token", one.speed.bytes_per_token},
          {"read_bandwidth", bandwidth},
          {"decode_share_of_bandwidth", one.decode_bandwidth() / bandwidth}};
}

}  // namespace

Result<ModelSpeeds> bench_models(const BenchModelsOptions& options, Threads& threads, Sink& sink) {
  ModelSpeeds speeds;
  for (const std::string& path : options.models) {
    LIEQ_TRY(check_cancelled(sink));
    LIEQ_ASSIGN(ModelSpeed measured, measure(path, options, threads, sink));
    speeds.models.push_back(std::move(measured));
  }
  speeds.read_bandwidth = eval::read_bandwidth(threads);
  speeds.threads = threads.count();
  return speeds;
}

Json to_json(const ModelSpeeds& speeds, const BenchModelsOptions& options) {
  Json json = Json::array();
  for (const ModelSpeed& one : speeds.models)
    json.push_back(record_of(one, options, speeds.read_bandwidth, speeds.threads));
  return json;
}

}  // namespace lieq::pipeline
