#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "json.h"
#include "keywords.h"
#include "lieq/kernels/buffer.h"
#include "lieq/kernels/softmax.h"
#include "lieq/model/forward.h"
#include "lieq/model/observer.h"
#include "lieq/pipeline/evaluate.h"
#include "lieq/pipeline/sources.h"
#include "loaded_model.h"
#include "options.h"
#include "work.h"

namespace lieq::python {
namespace {

using Floats = kernels::Buffer<float>;

struct LoadArguments {
  model::LoadOptions load;
  nb::object progress = nb::none();
  Keywords keywords;
  LoadArguments() {
    add_load(keywords, load);
    add_progress(keywords, progress);
  }
};

std::shared_ptr<LoadedModel> load(nb::object path_or_repo, const nb::kwargs& given) {
  LoadArguments arguments;
  arguments.keywords.read("load", given);
  const Source source = source_of(path_or_repo, "path_or_repo");
  if (source.loaded) return source.loaded;
  return run(arguments.progress, [&](Threads& threads, Sink& sink) -> Result<std::shared_ptr<LoadedModel>> {
    LIEQ_ASSIGN(eval::Bundle bundle, pipeline::load_bundle(source.name, threads, sink, arguments.load));
    LIEQ_ASSIGN(const auto generation, eval::GenerationConfig::load(bundle.model.path));
    return std::shared_ptr<LoadedModel>(
        new LoadedModel{.name = source.name, .bundle = std::move(bundle), .generation = generation});
  });
}

/// Copies the residual stream before the first block and after each.
class States final : public model::Observer {
 public:
  States(float* states, std::size_t tokens, std::size_t width) : states_(states), size_(tokens * width) {}
  void block_input(std::size_t layer, MatrixView<const float> x) override {
    if (layer == 0) keep(0, x);
  }
  void block_output(std::size_t layer, MatrixView<const float> x) override { keep(layer + 1, x); }

 private:
  void keep(std::size_t place, MatrixView<const float> x) {
    float* target = states_ + place * size_;
    for (std::size_t t = 0; t < x.rows(); ++t) target = std::ranges::copy(x.row(t), target).out;
  }
  float* states_;
  std::size_t size_;
};

struct PassArguments {
  kernels::Compute compute = kernels::Compute::kF32;
  Keywords keywords;
  PassArguments() { add_compute(keywords, compute); }
};

std::vector<text::TokenId> window_of(const LoadedModel& model, nb::handle ids) {
  const model::ModelConfig& config = model.bundle.model.config;
  std::vector<text::TokenId> tokens = ids_of(ids, config);
  if (tokens.empty() || tokens.size() > config.max_position_embeddings)
    refuse(fmt::format("ids: found {}, expected 1 to max_position_embeddings = {}", tokens.size(),
                       config.max_position_embeddings));
  return tokens;
}

nb::object logits(const LoadedModel& self, nb::object ids, const nb::kwargs& given) {
  PassArguments arguments;
  arguments.keywords.read("logits", given);
  const model::Model& model = self.bundle.model;
  const auto tokens = window_of(self, ids);
  const std::size_t vocab = model.config.vocab_size;
  Floats made = run(nb::bool_(false), [&](Threads& threads, Sink& sink) -> Result<Floats> {
    model::RunState state(model, threads, arguments.compute);
    Floats hidden_buffer, out_buffer;
    const MatrixView<float> hidden = hidden_buffer.matrix(tokens.size(), model.config.hidden_size);
    const MatrixView<float> out = out_buffer.matrix(tokens.size(), vocab);
    const model::SequenceSpan span{tokens.size(), nullptr};
    model::forward(model, tokens, {&span, 1}, state, hidden);
    const std::size_t slice = model::logit_slice_rows(model.config);
    for (std::size_t row = 0; row < tokens.size(); row += slice) {
      LIEQ_TRY(check_cancelled(sink));
      const std::size_t count = std::min(slice, tokens.size() - row);
      model::logits(model, hidden.rows(row, count), state, out.rows(row, count));
    }
    return out_buffer;
  });
  const float* data = made.data();
  return array_of(data, {tokens.size(), vocab}, std::move(made));
}

struct HiddenArguments : PassArguments {
  bool all_layers = false;
  HiddenArguments() { keywords.add("all_layers", all_layers, "the residual stream before and after each block"); }
};

nb::object hidden(const LoadedModel& self, nb::object ids, const nb::kwargs& given) {
  HiddenArguments arguments;
  arguments.keywords.read("hidden", given);
  const model::Model& model = self.bundle.model;
  const auto tokens = window_of(self, ids);
  const std::size_t width = model.config.hidden_size, states = model.layers.size() + 1;
  Floats made = run(nb::bool_(false), [&](Threads& threads, Sink&) -> Result<Floats> {
    model::RunState state(model, threads, arguments.compute);
    Floats last, all;
    if (arguments.all_layers) all.reserve(states * tokens.size() * width);
    States observer(all.data(), tokens.size(), width);
    const model::SequenceSpan span{tokens.size(), nullptr};
    model::forward(model, tokens, {&span, 1}, state, last.matrix(tokens.size(), width),
                   {.skip_layer = std::nullopt, .observer = arguments.all_layers ? &observer : nullptr});
    return arguments.all_layers ? std::move(all) : std::move(last);
  });
  const float* data = made.data();
  return arguments.all_layers ? array_of(data, {states, tokens.size(), width}, std::move(made))
                              : array_of(data, {tokens.size(), width}, std::move(made));
}

nb::object config_of(const LoadedModel& self) {
  const model::ModelConfig& c = self.bundle.model.config;
  Json fields = shape_fields(c);
  fields.update({{"architecture", c.architecture},
                 {"model_type", c.model_type},
                 {"rms_norm_eps", c.rms_norm_eps},
                 {"tie_word_embeddings", c.tie_word_embeddings},
                 {"bos_token_id", c.bos_token_id},
                 {"eos_token_id", c.eos_token_id}});
  return to_python(fields);
}

std::string repr(const LoadedModel& self) {
  const model::Model& model = self.bundle.model;
  return fmt::format("<lieq.Model {}: {} ({}), {:.1f} M parameters, {} layers, {:.3f} true bits per weight>", self.name,
                     model.config.architecture, model.format, static_cast<double>(parameter_count(model)) / 1e6,
                     model.layers.size(), linears_footprint(model).mean_true_bits());
}

}  // namespace

Source source_of(nb::handle value, const char* place) {
  std::shared_ptr<LoadedModel> loaded;
  if (nb::isinstance<LoadedModel>(value)) {
    loaded = nb::cast<std::shared_ptr<LoadedModel>>(value);
    return {loaded->name, loaded};
  }
  nb::object plain = nb::borrow(value);
  if (nb::hasattr(value, "__fspath__")) plain = nb::module_::import_("os").attr("fspath")(value);
  std::string name;
  if (!nb::try_cast(plain, name))
    throw nb::type_error(
        fmt::format("{}: found {}, expected {}", place, nb::cast<std::string>(nb::repr(value)), kModelType).c_str());
  return {name, nullptr};
}

std::string file_of(nb::handle model) {
  const Source source = source_of(model, "model");
  if (source.loaded && source.loaded->in_memory)
    refuse(source.name + ": found a model in memory, expected a folder: save it (save_pretrained) and name that");
  return source.name;
}

const text::ChatTemplate& chat_template_of(LoadedModel& model) {
  if (!model.chat_template) {
    if (model.in_memory) refuse(model.name + ": has no chat template, expected one of the tokenizer it came with");
    model.chat_template = value_of(text::ChatTemplate::load(model.bundle.model.path));
  }
  return *model.chat_template;
}

std::vector<text::TokenId> ids_of(nb::handle value) {
  nb::object plain = nb::hasattr(value, "tolist") ? nb::object(value.attr("tolist")()) : nb::borrow(value);
  std::vector<text::TokenId> ids;
  if (nb::isinstance<nb::str>(plain) || !nb::try_cast(nb::object(nb::list(plain)), ids))
    throw nb::type_error("ids: expected a sequence of integers of 32 bits, in one dimension");
  return ids;
}

std::vector<text::TokenId> ids_of(nb::handle value, const model::ModelConfig& config) {
  std::vector<text::TokenId> ids = ids_of(value);
  for (const text::TokenId id : ids)
    if (id < 0 || static_cast<std::size_t>(id) >= config.vocab_size)
      refuse(fmt::format("ids: found {}, expected 0 to {}, the last of the vocabulary", id, config.vocab_size - 1));
  return ids;
}

void define_model(nb::module_& module) {
  nb::class_<LoadedModel> model(module, "Model", "A model in memory, with the tokenizer that belongs to it.");
  def_static_with_keywords<LoadArguments>(
      model, "load", "path_or_repo: str | os.PathLike[str]", "Model",
      "Opens a Hugging Face folder (dense or quantised), a .gguf file, or ORG/NAME[@REVISION][:QUANT] on the hub, "
      "which "
      "is fetched unless it is in the cache. Raises lieq.Error, whose text names file, field, found and expected.",
      &load, nb::arg("path_or_repo"));
  def_with_keywords<PassArguments>(
      model, "logits", "self, ids: collections.abc.Iterable[int]", "numpy.typing.NDArray[numpy.float32]",
      "Logits after each token of one text: [tokens, vocab_size] float32, not copied.\n\nids: 1 to "
      "max_position_embeddings token ids; a list, an array or a tensor.",
      &logits, nb::arg("ids"));
  def_with_keywords<HiddenArguments>(
      model, "hidden", "self, ids: collections.abc.Iterable[int]", "numpy.typing.NDArray[numpy.float32]",
      "What the head reads, after the final norm: [tokens, hidden_size] float32, not copied. With all_layers the "
      "residual stream instead, [num_hidden_layers + 1, tokens, hidden_size]: the embedding, then what each block "
      "leaves.\n\nids: as of logits().",
      &hidden, nb::arg("ids"));
  const auto footprint = [](const LoadedModel& self) { return linears_footprint(self.bundle.model); };
  model.def_ro("name", &LoadedModel::name, "As it was named when it was loaded.")
      .def_prop_ro(
          "path", [](const LoadedModel& self) { return self.bundle.model.path.string(); },
          "The folder or file it was read from.")
      .def_prop_ro(
          "format", [](const LoadedModel& self) { return self.bundle.model.format; },
          "'safetensors', 'GGUF', 'memory', or the name of a packed container.")
      .def_prop_ro("config", &config_of, nb::sig("def config(self) -> dict[str, typing.Any]"),
                   "Sizes and features, named as in config.json.")
      .def_prop_ro(
          "num_parameters", [](const LoadedModel& self) { return parameter_count(self.bundle.model); },
          "All weights, those of a tied head once.")
      .def_prop_ro(
          "code_bits", [=](const LoadedModel& self) { return footprint(self).mean_code_bits(); },
          "Mean bits of the codes alone, per weight of the layers' linears.")
      .def_prop_ro(
          "true_bits", [=](const LoadedModel& self) { return footprint(self).mean_true_bits(); },
          "The same with scales, zero points and padding.")
      .def_prop_ro(
          "layer_bits",
          [](const LoadedModel& self) {
            std::vector<double> bits;
            for (const model::Layer& layer : self.bundle.model.layers)
              bits.push_back(model::footprint(layer).mean_code_bits());
            return bits;
          },
          "Mean code bits of each layer.")
      .def("__repr__", &repr);
  define_matrices(model);
  define_scores(model);
  define_streams(module, model);
  model.def_prop_ro(
      "tokenizer", [module](std::shared_ptr<LoadedModel> self) { return module.attr("_tokenizer_of")(self); },
      nb::sig("def tokenizer(self) -> Tokenizer"), "Text to token ids and back.");
}

}  // namespace lieq::python
