/// Errors of one layer's linears on the K grids of GGUF, beside those of llama.cpp's quantisers with an importance
/// matrix of the same activations:
///   k_blocks_bench --model FILE [--ggml libggml-base.so] [--layer 0] [--bits 2] [--samples 8] [--window 1024]
///                  [--sweeps 4] [--rows 1000000] [--only down_proj] [--calibration FILE] [--threads 2]
/// For every method: loss / energy (tr(E H Eᵀ) / tr(W H Wᵀ), H of the unquantised model's inputs, damped as in a run),
/// the same on as much text again that was not fitted to, the same with H's diagonal alone, and the seconds it took.

#include <dlfcn.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>

#include "lieq/eval/bundle.h"
#include "lieq/kernels/linear.h"
#include "lieq/model/forward.h"
#include "lieq/pack/decode.h"
#include "lieq/quantize/activations.h"
#include "lieq/quantize/k_fit.h"
#include "lieq/text/corpus.h"
#include "tests/support/paths.h"

namespace {

using namespace lieq;
using quantize::AnyFitted;

using QuantizeChunk = std::size_t (*)(int type, const float* source, void* target, std::int64_t start,
                                      std::int64_t rows, std::int64_t cols, const float* importance);

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

using Arguments = std::map<std::string, std::string>;
std::string get(const Arguments& a, const std::string& name, const std::string& otherwise) {
  const auto found = a.find(name);
  return found == a.end() ? otherwise : found->second;
}
std::size_t count(const Arguments& a, const std::string& name, const std::string& otherwise) {
  return std::stoul(get(a, name, otherwise));
}

/// Sums over the inputs of one layer's linears, by the first linear that reads them.
class Inputs : public model::Observer {
 public:
  Inputs(std::size_t layer, Threads& threads) : layer_(layer), threads_(threads) {}
  void linear_input(std::size_t layer, std::span<const model::LinearKind> kinds, MatrixView<const float> x) override {
    if (layer != layer_) return;
    auto& sum = sums_.try_emplace(kinds.front(), x.cols(), x.cols()).first->second;
    sum.add_square(threads_, x);
    for (const model::LinearKind kind : kinds) first_[kind] = kinds.front();
  }
  [[nodiscard]] std::vector<float> hessian(model::LinearKind kind) {
    const model::LinearKind first = first_.at(kind);
    if (!hessians_.contains(first)) hessians_[first] = sums_.at(first).take_symmetric(threads_);
    return hessians_.at(first);
  }

 private:
  std::size_t layer_;
  Threads& threads_;
  std::map<model::LinearKind, quantize::ProductSum> sums_;
  std::map<model::LinearKind, model::LinearKind> first_;
  std::map<model::LinearKind, std::vector<float>> hessians_;
};

struct Bench {
  Threads& threads;
  const pack::KForm& form;
  MatrixView<const float> weight;
  const quantize::Quadratic& quadratic;
  MatrixView<const float> held_out;  // H of other text

  template <class Fit>
  void line(const char* name, const Fit& fit) const {
    const double start = seconds();
    const AnyFitted fitted = fit();
    const double took = seconds() - start;
    std::vector<float> decoded(weight.rows() * weight.cols());
    for (std::size_t i = 0; i < weight.rows(); ++i) decode_row(fitted, i, &decoded[i * weight.cols()]);
    print(name, decoded, took);
  }

  void print(const char* name, const std::vector<float>& decoded, double took) const {
    std::vector<float> error(decoded.size());
    double diagonal = 0, diagonal_energy = 0;
    for (std::size_t k = 0; k < error.size(); ++k) {
      const std::size_t j = k % weight.cols();
      const auto w = static_cast<double>(weight.data()[k]), h = static_cast<double>(quadratic.hessian()(j, j));
      error[k] = weight.data()[k] - decoded[k];
      diagonal += h * std::pow(w - static_cast<double>(decoded[k]), 2);
      diagonal_energy += h * w * w;
    }
    const MatrixView<const float> e(error.data(), weight.rows(), weight.cols());
    const auto relative = [&](MatrixView<const float> hessian) {
      return quantize::quadratic_energy(threads, e, hessian) / quantize::quadratic_energy(threads, weight, hessian);
    };
    std::printf("  %-10s %.5f  held out %.5f  diagonal %.5f  %.1f s\n", name, relative(quadratic.hessian()),
                relative(held_out), diagonal / diagonal_energy, took);
    std::fflush(stdout);
  }

  void peer(QuantizeChunk chunk, const std::vector<float>& importance) const {
    const std::size_t rows = weight.rows(), cols = weight.cols();
    std::vector<std::byte> bytes(*bytes_of(form.type, rows * cols));
    const int type = form.bits == 2 ? 10 : form.bits == 3 ? 11 : 12;  // ggml_type
    const double start = seconds();
    chunk(type, weight.data(), bytes.data(), 0, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(cols),
          importance.data());
    const double took = seconds() - start;
    std::vector<float> decoded(rows * cols);
    pack::decode(form.type, bytes.data(), decoded.size(), decoded.data());
    print("llama.cpp", decoded, took);
  }
};

int run(const Arguments& a) {
  const std::string shared = test::shared_dir().string();
  Threads threads(count(a, "threads", "2"));
  Sink sink;
  const eval::Bundle bundle =
      must(eval::Bundle::load(get(a, "model", ""), threads, sink, model::LoadOptions::as_stored()));
  const std::size_t window = count(a, "window", "1024"), layer = count(a, "layer", "0");
  std::vector<model::TokenId> ids = bundle.tokenizer.encode(
      must(text::read_text(get(a, "calibration", shared + "/data/text/wikitext2-train-part.txt"), text::Join::kRows,
                           sink)),
      text::SpecialTokens::kAdd);
  const std::size_t tokens = count(a, "samples", "8") * window;
  ids.resize(std::min(ids.size(), 2 * tokens));

  Inputs inputs(layer, threads), others(layer, threads);
  model::RunState state(bundle.model, threads, kernels::Compute::kF32);
  kernels::Buffer<float> stream;
  for (std::size_t first = 0; first + window <= ids.size(); first += window) {
    const MatrixView<float> x = stream.matrix(window, bundle.model.config.hidden_size);
    model::embed(bundle.model, std::span(ids).subspan(first, window), threads, x);
    const std::vector<model::SequenceSpan> sequence(1, {window, nullptr});
    Inputs& sums = first < tokens ? inputs : others;
    for (std::size_t l = 0; l <= layer; ++l) model::run_block(bundle.model, l, sequence, x, state, &sums);
  }

  QuantizeChunk chunk = nullptr;
  if (a.contains("ggml")) {
    void* library = dlopen(a.at("ggml").c_str(), RTLD_NOW);
    if (library) chunk = reinterpret_cast<QuantizeChunk>(dlsym(library, "ggml_quantize_chunk"));
    if (!chunk) {
      std::fprintf(stderr, "%s: found no ggml_quantize_chunk\n", a.at("ggml").c_str());
      return 1;
    }
  }
  const pack::KForm& form = pack::k_form(static_cast<unsigned>(count(a, "bits", "2")));
  for (const model::LinearKind kind : model::kLinearKinds) {
    const std::string name(model::name(kind));
    if (a.contains("only") && name.find(a.at("only")) == std::string::npos) continue;
    const pack::StoredMatrix& stored = bundle.model.layers[layer].linear(kind).weight;
    const std::size_t rows = std::min(stored.rows, count(a, "rows", "1000000"));
    std::vector<float> values(rows * stored.cols);
    for (std::size_t i = 0; i < rows; ++i) kernels::decode_row(stored, i, &values[i * stored.cols]);
    std::vector<float> hessian = inputs.hessian(kind), importance(stored.cols);
    for (std::size_t j = 0; j < stored.cols; ++j)
      importance[j] = hessian[j * stored.cols + j] / static_cast<float>(tokens);
    const quantize::Quadratic quadratic = must(quantize::Quadratic::create(threads, std::move(hessian), 0.01));
    const MatrixView<const float> weight(values.data(), rows, stored.cols);
    const std::vector<float> held_out = others.hessian(kind);
    const Bench bench{threads, form, weight, quadratic, {held_out.data(), stored.cols, stored.cols}};
    std::printf("%s [%zu, %zu]\n", name.c_str(), rows, stored.cols);
    if (chunk) bench.peer(chunk, importance);
    bench.line("rtn", [&]() -> AnyFitted { return quantize::k_rtn(threads, weight, form, importance); });
    bench.line("gptq", [&]() -> AnyFitted { return quantize::k_gptq(threads, weight, quadratic, form, 0); });
    for (std::size_t sweeps = 1; sweeps <= count(a, "sweeps", "4"); sweeps *= 2)
      bench.line(("+ " + std::to_string(sweeps) + " sweeps").c_str(),
                 [&]() -> AnyFitted { return quantize::k_gptq(threads, weight, quadratic, form, sweeps); });
    quantize::Options half;
    bench.line("half g64", [&]() -> AnyFitted {
      return must(quantize::gptq(threads, weight, quadratic, quantize::fit_rules(half, form.bits, stored.cols)));
    });
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) arguments[std::string(argv[i]).substr(2)] = argv[i + 1];
  return run(arguments);
}
