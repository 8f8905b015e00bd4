/// What the scripts beside this ask of lieq, without the options and tables of the command line.
///
///   interop_tool quantize MODEL OUT GRID GROUP BITS...   rounds to nearest, one width a layer, into a GPTQ folder
///   interop_tool export TARGET MODEL OUT
///   interop_tool weights MODEL OUT.safetensors           every tensor as float32
///   interop_tool logits MODEL OUT.safetensors ID...      [tokens, vocab_size] float32, with exact activations
///   interop_tool plan TOOL GROUP BITS...                 prints a plan in the form of TOOL, one width a layer

#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "lieq/allocate/plan_forms.h"
#include "lieq/io/safetensors_writer.h"
#include "lieq/kernels/buffer.h"
#include "lieq/kernels/linear.h"
#include "lieq/model/forward.h"
#include "lieq/quantize/run.h"
#include "lieq/save/compare.h"
#include "lieq/save/export.h"
#include "lieq/save/gptq_folder.h"

namespace lieq {
namespace {

using Words = std::span<const std::string>;

Result<model::Model> load(const std::string& path, Threads& threads, Sink& sink) {
  return model::Model::load(path, threads, sink, model::LoadOptions::as_stored());
}

Result<quantize::Grid> grid_named(const std::string& name) {
  using enum quantize::Grid;
  for (const quantize::Grid grid : {kSym, kSkew, kAsym, kHalf})
    if (quantize::name(grid) == name) return grid;
  return fail(ErrorCode::kInvalidArgument, "unknown grid " + name);
}

Result<void> quantize_model(Words words, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const model::Model model, load(words[0], threads, sink));
  save::FolderContents contents;
  contents.source = &model;
  contents.options.method = quantize::Method::kRtn;
  LIEQ_ASSIGN(contents.options.grid, grid_named(words[2]));
  contents.options.group_size = std::stoul(words[3]);
  for (const std::string& bits : words.subspan(4))
    contents.widths.push_back(quantize::uniform_widths(static_cast<unsigned>(std::stoul(bits))));
  contents.widths.resize(model.layers.size(), contents.widths.back());
  contents.quantizer = "lieq:test";
  contents.provenance = Json::object();
  LIEQ_ASSIGN(auto walk, quantize::LayerWalk::create(model, {}, 1, contents.options, threads, sink));
  contents.layer = [&](std::size_t l) { return walk.quantize(l, contents.widths[l]); };
  return save::write_gptq_folder(contents, words[1]);
}

Result<void> export_one(Words words, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const save::Target* target, save::find_target(words[0]));
  LIEQ_ASSIGN(const model::Model model, load(words[1], threads, sink));
  save::ExportOptions options;
  options.output = words[2];
  options.tool = "lieq:test";
  LIEQ_ASSIGN(const save::ExportRecord record, save::export_model(*target, model, options, threads, sink));
  fmt::print("{}\n", save::to_json(record).dump());
  return {};
}

Result<void> write_weights(Words words, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const model::Model model, load(words[0], threads, sink));
  std::vector<io::TensorInfo> infos;
  std::vector<std::vector<float>> values;
  for (const model::TensorSpec& spec : model::tensor_table(model.config)) {
    if (!spec.required) continue;
    for (std::size_t l = 0; l < (spec.per_layer ? model.layers.size() : 1); ++l) {
      infos.push_back({model::tensor_name(spec.hf_name, l), DType::kF32, spec.shape});
      const auto matrices = matrices_of(model, spec, l);
      std::vector<float>& all = values.emplace_back();
      if (matrices.empty()) all = model::hf_values(spec, vector_of(model, spec, l));
      for (const pack::StoredMatrix* matrix : matrices) {
        const std::size_t first = all.size();
        all.resize(first + matrix->rows * matrix->cols);
        for (std::size_t i = 0; i < matrix->rows; ++i)
          kernels::decode_row(*matrix, i, all.data() + first + i * matrix->cols);
      }
    }
  }
  LIEQ_ASSIGN(auto writer, io::SafetensorsWriter::create(words[1], infos));
  for (std::size_t i = 0; i < infos.size(); ++i)
    LIEQ_TRY(writer.write(infos[i].name, values[i].data(), values[i].size() * sizeof(float)));
  return std::move(writer).finish();
}

Result<void> write_logits(Words words, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const model::Model model, load(words[0], threads, sink));
  std::vector<model::TokenId> tokens;
  for (const std::string& id : words.subspan(2)) tokens.push_back(static_cast<model::TokenId>(std::stoul(id)));
  model::RunState state(model, threads, kernels::Compute::kF32);
  kernels::Buffer<float> hidden_buffer, logits_buffer;
  const MatrixView<float> hidden = hidden_buffer.matrix(tokens.size(), model.config.hidden_size);
  const MatrixView<float> logits = logits_buffer.matrix(tokens.size(), model.config.vocab_size);
  const model::SequenceSpan alone{tokens.size(), nullptr};
  model::forward(model, tokens, {&alone, 1}, state, hidden);
  model::logits(model, hidden, state, logits);
  std::vector<float> rows;
  for (std::size_t t = 0; t < tokens.size(); ++t) rows.insert(rows.end(), logits.row(t).begin(), logits.row(t).end());
  LIEQ_ASSIGN(auto writer, io::SafetensorsWriter::create(
                               words[1], {{"logits", DType::kF32, {tokens.size(), model.config.vocab_size}}}));
  LIEQ_TRY(writer.write("logits", rows.data(), rows.size() * sizeof(float)));
  return std::move(writer).finish();
}

Result<void> print_plan(Words words) {
  LIEQ_ASSIGN(const allocate::PlanForm* form, allocate::find_plan_form(words[0]));
  BitPlan plan;
  plan.group_size = std::stoul(words[1]);
  for (const std::string& bits : words.subspan(2)) plan.layers.emplace_back().bits = std::stoi(bits);
  std::vector<std::string_view> linears;
  for (const model::LinearKind kind : model::kLinearKinds) linears.push_back(model::name(kind));
  LIEQ_ASSIGN(const std::string text, allocate::plan_text(*form, plan, linears));
  fmt::print("{}", text);
  return {};
}

Result<void> run(Words words) {
  Threads threads(physical_cores());
  Sink sink;
  const std::string verb = words.empty() ? "" : words[0];
  if (verb == "quantize" && words.size() >= 6) return quantize_model(words.subspan(1), threads, sink);
  if (verb == "export" && words.size() == 4) return export_one(words.subspan(1), threads, sink);
  if (verb == "weights" && words.size() == 3) return write_weights(words.subspan(1), threads, sink);
  if (verb == "logits" && words.size() >= 4) return write_logits(words.subspan(1), threads, sink);
  if (verb == "plan" && words.size() >= 4) return print_plan(words.subspan(1));
  return fail(ErrorCode::kInvalidArgument, "expected quantize, export, weights, logits or plan and its arguments");
}

}  // namespace
}  // namespace lieq

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto done = lieq::run(words);
  if (!done) fmt::print(stderr, "{}\n", done.error().message);
  return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
