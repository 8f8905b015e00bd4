/// Quantises a model and compares it with the original on texts, with the time and memory it took:
///   quantize_bench --model DIR [--calibration FILE] [--text FILE,FILE...] [--samples 32] [--window 1024] [--bits 2]
///                  [--top-bits 4 --top LAYER,LAYER...] [--method gptq] [--grid half] [--group-size 64]
///                  [--eval-windows 10] [--eval-window 2048] [--layers N] [--keep NAME]
///                  [--from FILE] [--ggml LIBRARY [--ggml-type IQ2_XS]] [--write FILE.gguf] [--SWITCH VALUE ...]
/// SWITCH: those of quantize::Options. --layers: the first N only. --keep: finished layers are kept in NAME.partial, so
/// that a run goes on where it was interrupted. --from: nothing is quantised, the layers are those of another model,
/// such as a peer's file. --ggml: the layers are what llama-quantize --pure makes of them with an importance matrix of
/// the calibration text, by ggml_quantize_chunk of a libggml-base.so: in the K type of their width, or all in that of
/// --ggml-type. --write: the result as a file for llama.cpp.

#include <dlfcn.h>
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "lieq/eval/bundle.h"
#include "lieq/eval/perplexity.h"
#include "lieq/kernels/linear.h"
#include "lieq/quantize/run.h"
#include "lieq/save/gguf_export.h"
#include "lieq/save/run_folder.h"
#include "lieq/text/corpus.h"
#include "tests/support/paths.h"

namespace {

using namespace lieq;

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
double user_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) + 1e-6 * static_cast<double>(usage.ru_utime.tv_usec);
}
double peak_gib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / (1 << 20);
}

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

using Arguments = std::map<std::string, std::string>;

std::string get(const Arguments& arguments, const std::string& name, const std::string& otherwise) {
  const auto found = arguments.find(name);
  return found == arguments.end() ? otherwise : found->second;
}
std::size_t count(const Arguments& arguments, const std::string& name, const std::string& otherwise) {
  return std::stoul(get(arguments, name, otherwise));
}

unsigned bits_of(const Arguments& a, std::size_t layer) {
  std::istringstream list(get(a, "top", ""));
  for (std::string one; std::getline(list, one, ',');)
    if (std::stoul(one) == layer) return static_cast<unsigned>(count(a, "top-bits", "4"));
  return static_cast<unsigned>(count(a, "bits", "2"));
}

quantize::Options options_of(const Arguments& a) {
  quantize::Options o;
  o.method = must(quantize::method_from_name(get(a, "method", "gptq")));
  o.grid = must(quantize::grid_from_name(get(a, "grid", "half")));
  o.group_size = count(a, "group-size", "64");
  o.range = get(a, "range", "search") == "minmax" ? quantize::Range::kMinMax : quantize::Range::kSearch;
  o.damping = std::stod(get(a, "damping", std::to_string(o.damping)));
  const std::string order = get(a, "act-order", "none");
  if (order == "static") o.act_order = quantize::ActOrder::kStatic;
  if (order == "dynamic") o.act_order = quantize::ActOrder::kDynamic;
  o.corrected_target = count(a, "corrected-target", "1") != 0;
  o.correction = std::stod(get(a, "correction", std::to_string(o.correction)));
  o.residual_weight = std::stod(get(a, "residual-weight", "1"));
  o.sweeps = count(a, "sweeps", std::to_string(o.sweeps));
  o.refit_scales = count(a, "refit-scales", "1") != 0;
  o.refit_gains = count(a, "refit-gains", "1") != 0;
  o.inner_gains = count(a, "inner-gains", o.inner_gains ? "1" : "0") != 0;
  o.awq_clip = count(a, "awq-clip", "1") != 0;
  o.awq_duo = count(a, "awq-duo", "0") != 0;
  o.awq_then = must(quantize::method_from_name(get(a, "awq-then", "gptq")));
  return o;
}

/// Scores of each text, at most `tokens` of it, by both models; of the second also its distance to the first.
void compare(const model::Model& original, const model::Model& quantised, const std::string& text,
             std::span<const model::TokenId> ids, std::size_t window, Threads& threads, Sink& sink) {
  const model::Model* models[] = {&original, &quantised};
  const auto scores = must(eval::score_windows(models, ids, window, threads, kernels::Compute::kF32, sink));
  EvalRecord base, found;
  eval::summarise(scores[0], base);
  eval::summarise(scores[1], found);
  std::printf("%s: base %.4f quantised %.4f ratio %.4f  excess %.4f  KL %.4f +- %.4f\n", text.c_str(), base.perplexity,
              found.perplexity, found.perplexity / base.perplexity, std::log(found.perplexity / base.perplexity),
              found.kl.value_or(0), found.kl_stderr.value_or(0));
}

/// Mean squares of what every linear reads in the original model: [layer][kind][in].
class Importance : public model::Observer {
 public:
  explicit Importance(std::size_t layers) : squares(layers) {}
  void linear_input(std::size_t layer, std::span<const model::LinearKind> kinds, MatrixView<const float> x) override {
    std::vector<float>& first = squares[layer][static_cast<std::size_t>(kinds.front())];
    first.resize(x.cols());
    for (std::size_t t = 0; t < x.rows(); ++t)
      for (std::size_t j = 0; j < x.cols(); ++j) first[j] += x(t, j) * x(t, j) / static_cast<float>(x.rows());
    for (const model::LinearKind kind : kinds.subspan(1)) squares[layer][static_cast<std::size_t>(kind)] = first;
  }
  std::vector<std::array<std::vector<float>, model::kLinearsPerLayer>> squares;
};

struct PeerType {
  int number;  // ggml_type
  DType type;
};

/// Types whose blocks have 256 weights.
PeerType peer_type(const Arguments& a, std::size_t layer) {
  static const std::map<std::string, PeerType> kTypes = {
      {"Q2_K", {10, DType::kQ2_K}},       {"Q3_K", {11, DType::kQ3_K}},     {"Q4_K", {12, DType::kQ4_K}},
      {"IQ2_XXS", {16, DType::kIQ2_XXS}}, {"IQ2_XS", {17, DType::kIQ2_XS}}, {"IQ3_XXS", {18, DType::kIQ3_XXS}},
      {"IQ3_S", {21, DType::kIQ3_S}},     {"IQ2_S", {22, DType::kIQ2_S}},   {"IQ4_XS", {23, DType::kIQ4_XS}},
  };
  const unsigned bits = bits_of(a, layer);
  return kTypes.at(get(a, "ggml-type", bits == 2 ? "Q2_K" : bits == 3 ? "Q3_K" : "Q4_K"));
}

/// Layers [0, count) as llama.cpp's quantisers make them.
std::vector<model::Layer> peer_layers(const Arguments& a, const model::Model& m,
                                      std::span<const model::TokenId> calibration, std::size_t layer_count,
                                      Threads& threads) {
  using QuantizeChunk = std::size_t (*)(int type, const float* source, void* target, std::int64_t start,
                                        std::int64_t rows, std::int64_t cols, const float* importance);
  void* library = dlopen(a.at("ggml").c_str(), RTLD_NOW);
  const auto chunk =
      library ? reinterpret_cast<QuantizeChunk>(dlsym(library, "ggml_quantize_chunk")) : QuantizeChunk{nullptr};
  if (!chunk) must<void>(fail(ErrorCode::kNotFound, a.at("ggml") + ": found no ggml_quantize_chunk"));
  const std::size_t window = count(a, "window", "1024");
  Importance importance(m.layers.size());
  model::RunState state(m, threads, kernels::Compute::kF32);
  kernels::Buffer<float> stream;
  for (std::size_t first = 0; first + window <= calibration.size(); first += window) {
    const MatrixView<float> x = stream.matrix(window, m.config.hidden_size);
    model::embed(m, calibration.subspan(first, window), threads, x);
    const std::vector<model::SequenceSpan> sequence(1, {window, nullptr});
    for (std::size_t l = 0; l < layer_count; ++l) model::run_block(m, l, sequence, x, state, &importance);
  }
  std::vector<model::Layer> layers;
  for (std::size_t l = 0; l < layer_count; ++l) {
    const PeerType peer = peer_type(a, l);
    model::Layer layer = m.layers[l];
    for (const model::LinearKind kind : model::kLinearKinds) {
      const pack::StoredMatrix& stored = m.layers[l].linear(kind).weight;
      std::vector<float> values(stored.rows * stored.cols);
      for (std::size_t i = 0; i < stored.rows; ++i) kernels::decode_row(stored, i, &values[i * stored.cols]);
      pack::BlockMatrix blocks{peer.type, stored.rows, stored.cols, {}};
      blocks.bytes.resize(stored.rows * blocks.row_bytes());
      chunk(peer.number, values.data(), blocks.bytes.data(), 0, static_cast<std::int64_t>(stored.rows),
            static_cast<std::int64_t>(stored.cols), importance.squares[l][static_cast<std::size_t>(kind)].data());
      layer.linears[static_cast<std::size_t>(kind)].weight = blocks.stored(stored.name);
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

/// Layers [0, count) quantised, or taken from where --keep has them.
std::vector<model::Layer> quantized_layers(const Arguments& a, const model::Model& m,
                                           std::span<const model::TokenId> calibration, std::size_t layer_count,
                                           Threads& threads, Sink& sink) {
  const quantize::Options options = options_of(a);
  const double start = seconds();
  std::optional<save::RunFolder> kept;
  if (a.contains("keep"))
    kept = must(save::RunFolder::open(a.at("keep"), {{"options", to_json(options)},
                                                     {"model", m.path.string()},
                                                     {"tokens", calibration.size()},
                                                     {"window", get(a, "window", "1024")},
                                                     {"bits", get(a, "bits", "2")},
                                                     {"top", get(a, "top", "")},
                                                     {"top_bits", get(a, "top-bits", "4")}}));
  std::optional<quantize::LayerWalk> walk;  // only where layers are missing
  if (!kept || kept->finished() < layer_count)
    walk = must(quantize::LayerWalk::create(m, calibration, count(a, "window", "1024"), options, threads, sink));
  std::vector<model::Layer> layers;
  for (std::size_t l = 0; l < layer_count; ++l) {
    quantize::QuantizedLayer done;
    if (kept && l < kept->finished()) {
      done = must(kept->read(l));
      if (walk) must(walk->resume_with(l, done));
    } else {
      done = must(walk->quantize(l, bits_of(a, l)));
      if (kept) must(kept->write(l, done));
    }
    layers.push_back(quantize::PackedLayer(threads, m.layers[l], done).layer());
    std::fprintf(stderr, "layer %zu: %.1f s", l, seconds() - start);
    for (const auto& report : done.reports) std::fprintf(stderr, " %.4f", report.relative_loss);
    std::fprintf(stderr, "\n");
  }
  return layers;
}

int run(const Arguments& a) {
  const std::string shared = test::shared_dir();
  Threads threads(count(a, "threads", "2"));
  Sink sink;
  eval::Bundle bundle = must(eval::Bundle::load(get(a, "model", ""), threads, sink));
  const auto encode = [&](const std::string& file) {
    return bundle.tokenizer.encode(must(text::read_text(file, text::Join::kRows, sink)), text::SpecialTokens::kAdd);
  };
  const std::size_t window = count(a, "window", "1024"), eval_window = count(a, "eval-window", "2048");
  std::vector<model::TokenId> calibration =
      encode(get(a, "calibration", shared + "/data/text/wikitext2-train-part.txt"));
  calibration.resize(std::min(calibration.size(), count(a, "samples", "32") * window));

  const double start = seconds(), user = user_seconds();
  const std::size_t layer_count = std::min(bundle.model.layers.size(), count(a, "layers", "1000"));
  std::optional<eval::Bundle> peer;
  std::vector<model::Layer> layers;
  if (a.contains("from")) {
    peer = must(eval::Bundle::load(a.at("from"), threads, sink));
    layers = peer->model.layers;
  } else if (a.contains("ggml")) {
    layers = peer_layers(a, bundle.model, calibration, layer_count, threads);
  } else {
    layers = quantized_layers(a, bundle.model, calibration, layer_count, threads, sink);
  }
  const double took = seconds() - start, took_user = user_seconds() - user, peak = peak_gib();
  model::Footprint size;
  model::Model quantised = bundle.model;
  for (std::size_t l = 0; l < layer_count; ++l) {
    size.add(model::footprint(layers[l]));
    quantised.layers[l] = layers[l];
  }
  std::printf("true bits %.4f  %.0f s (%.0f s user)  peak %.2f GiB\n", size.mean_true_bits(), took, took_user, peak);
  if (a.contains("write"))
    must(save::export_model(save::kGgufTarget, quantised, {.output = a.at("write"), .changed = true}, threads, sink));
  std::istringstream texts(get(a, "text", shared + "/data/text/wikitext2-test.txt"));
  for (std::string text; std::getline(texts, text, ',');) {
    std::vector<model::TokenId> ids = encode(text);
    ids.resize(std::min(ids.size(), count(a, "eval-windows", "10") * eval_window));
    compare(bundle.model, quantised, text.substr(text.find_last_of('/') + 1), ids, eval_window, threads, sink);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) arguments[std::string(argv[i]).substr(2)] = argv[i + 1];
  return run(arguments);
}
