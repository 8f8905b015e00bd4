#include "lieq/pipeline/layers.h"

#include <fmt/format.h>

#include "lieq/base/version.h"
#include "lieq/pipeline/preview.h"
#include "lieq/quantize/run.h"
#include "lieq/save/gguf_export.h"
#include "lieq/save/gptq_folder.h"
#include "lieq/save/layer_bytes.h"

namespace lieq::pipeline {
namespace {

void add_reports(const quantize::QuantizedLayer& layer, std::size_t l, const quantize::LayerWidths& widths, Sink& sink,
                 Json& reports) {
  for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) {
    const quantize::LinearReport& report = layer.reports[k];
    reports.push_back({{"layer", l},
                       {"linear", model::name(model::kLinearKinds[k])},
                       {"bits", widths[k]},
                       {"loss", report.loss},
                       {"relative_loss", report.relative_loss},
                       {"compared_loss", report.compared_loss},
                       {"fell_back_to_rtn", report.fell_back_to_rtn}});
    if (report.fell_back_to_rtn)
      sink.warn(fmt::format("layer {} {}: its Hessian is singular, rounded to nearest instead", l,
                            model::name(model::kLinearKinds[k])));
  }
}

/// A layer that the first rank has in its folder.
Result<quantize::QuantizedLayer> read_for_all(const save::RunFolder* folder, std::size_t l, Ranks& ranks) {
  if (ranks.size() == 1) return folder->read(l);
  quantize::QuantizedLayer layer;
  std::string bytes;
  if (folder) {
    LIEQ_ASSIGN(layer, folder->read(l));
    bytes = save::layer_to_bytes(layer);
  }
  broadcast(ranks, bytes);
  return folder ? std::move(layer) : save::layer_from_bytes(bytes);
}

}  // namespace

Result<void> check_recipe(const model::Model& model, const quantize::Options& recipe) {
  LIEQ_TRY(quantize::check_method(model, recipe));
  for (const model::Layer& layer : model.layers)
    for (const model::Linear& linear : layer.linears)
      LIEQ_TRY(quantize::check_options(recipe, 2, linear.weight.cols, linear.weight.name));
  return {};
}

Result<void> check(const LayersJob& job) {
  LIEQ_TRY(quantize::check_method(job.bundle->model, job.options));
  for (std::size_t l = 0; l < job.widths.size(); ++l)
    for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) {
      const pack::StoredMatrix& weight = job.bundle->model.layers[l].linears[k].weight;
      LIEQ_TRY(quantize::check_options(job.options, job.widths[l][k], weight.cols, weight.name));
    }
  return makes_gguf(job.options) ? Result<void>() : save::check_packable(job.bundle->model, job.widths);
}

Json fingerprint_of(const LayersJob& job) {
  Json widths = Json::array();  // a number for a layer that has one
  for (const quantize::LayerWidths& of_layer : job.widths)
    widths.push_back(of_layer == quantize::uniform_widths(of_layer[0]) ? Json(of_layer[0]) : Json(of_layer));
  return {{"lieq", kVersion},
          {"model", job.model_hash},
          {"options", quantize::to_json(job.options)},
          {"layer_bits", std::move(widths)},
          {"calibration", hash_of(job.calibration->ids)},
          {"calibration_window", job.calibration->window}};
}

Result<void> check_same_on_ranks(const Json& fingerprint, Ranks& ranks) {
  if (ranks.size() == 1) return {};
  std::string first = fingerprint.dump();
  broadcast(ranks, first);
  if (const auto difference = difference_of(Json::parse(first), fingerprint))
    return fail(ErrorCode::kInvalidArgument, fmt::format("the first rank works with {}", *difference));
  return {};
}

Result<Json> quantize_layers(const LayersJob& job, const save::RunFolder* folder, Threads& threads, Sink& sink) {
  const model::Model& model = job.bundle->model;
  Ranks& ranks = threads.ranks();
  LIEQ_CHECK((folder != nullptr) == ranks.is_first());
  const std::size_t layers = model.layers.size();
  std::size_t finished = folder ? folder->finished() : 0;
  broadcast(ranks, finished);
  Json reports = Json::array();
  // The walk is needed only while layers are missing: a run killed while saving goes straight to saving.
  std::optional<quantize::LayerWalk> walk;
  if (finished < layers) {
    LIEQ_ASSIGN(walk, quantize::LayerWalk::create(model, job.calibration->ids, job.calibration->window, job.options,
                                                  threads, sink));
  }
  sink.progress("quantising layers", 0, layers);
  for (std::size_t l = 0; l < layers; ++l) {
    LIEQ_TRY(check_cancelled(sink));
    quantize::QuantizedLayer layer;
    if (l < finished) {
      LIEQ_ASSIGN(layer, read_for_all(folder, l, ranks));
      if (walk) LIEQ_TRY(walk->resume_with(l, layer));
    } else {
      LIEQ_ASSIGN(layer, walk->quantize(l, job.widths[l]));
      LIEQ_TRY(model.files.unchanged());
      if (folder) LIEQ_TRY(folder->write(l, layer));
    }
    add_reports(layer, l, job.widths[l], sink, reports);
    sink.progress("quantising layers", l + 1, layers);
  }
  return reports;
}

Json provenance_of(const LayersJob& job, Json linears) {
  Json provenance = {{"lieq", kVersion},
                     {"source", job.source},
                     {"fingerprint", fingerprint_of(job)},
                     {"options", quantize::to_json(job.options)},
                     {"plan", to_json(job.plan)},
                     {"linears", std::move(linears)},
                     {"calibration", to_json(describe(*job.calibration, *job.bundle))}};
  provenance["calibration"]["hash"] = hash_of(job.calibration->ids);
  if (job.scores) provenance["scores"] = to_json(*job.scores);
  return provenance;
}

Result<model::Model> with_layers(const LayersJob& job, const LayerSource& layer, Threads& threads) {
  Sink quiet;  // the source's warnings were heard when it was loaded first
  LIEQ_ASSIGN(model::Model made,
              model::Model::load(job.bundle->model.path, threads, quiet, model::LoadOptions::as_stored()));
  for (std::size_t l = 0; l < made.layers.size(); ++l) {
    LIEQ_ASSIGN(const quantize::QuantizedLayer quantized, layer(l));
    made.layers[l] = quantize::PackedLayer(threads, made.layers[l], quantized).layer();
  }
  made.config.tie_word_embeddings = job.embeddings.head == nullptr;
  made.embed_tokens = *job.embeddings.embedding;
  made.lm_head = job.embeddings.head ? *job.embeddings.head : made.embed_tokens;
  return made;
}

Result<void> save_layers(const LayersJob& job, const LayerSource& layer, const Json& provenance,
                         const std::filesystem::path& output, Threads& threads, Sink& sink) {
  if (makes_gguf(job.options)) {
    LIEQ_ASSIGN(const model::Model made, with_layers(job, layer, threads));
    save::ExportOptions options{.output = output};
    options.tool = std::string("lieq:") + kVersion;
    options.changed = true;
    if (job.embeddings.embedding_type != job.embeddings.embedding->type) options.embed = job.embeddings.embedding_type;
    LIEQ_TRY(save::export_model(save::kGgufTarget, made, options, threads, sink));
    return {};
  }
  save::FolderContents contents;
  contents.source = &job.bundle->model;
  contents.options = job.options;
  contents.widths = job.widths;
  contents.quantizer = std::string("lieq:") + kVersion;
  contents.provenance = provenance;
  contents.embeddings = job.embeddings;
  contents.layer = layer;
  return save::write_gptq_folder(contents, output);
}

}  // namespace lieq::pipeline
