/// Writes an importance matrix as llama.cpp's older .dat: what its quantisers are given so that both sides have seen
/// the same text:
///   imatrix --model FILE --out FILE.dat [--calibration FILE] [--samples 32] [--window 1024] [--layers N] [--threads 2]

#include <cstdio>
#include <fstream>
#include <map>
#include <string>

#include "lieq/eval/bundle.h"
#include "lieq/model/forward.h"
#include "lieq/text/corpus.h"
#include "tests/support/paths.h"

namespace {

using namespace lieq;

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

/// Sums of squares of every linear's inputs: [layer][kind][in].
class Squares : public model::Observer {
 public:
  void linear_input(std::size_t layer, std::span<const model::LinearKind> kinds, MatrixView<const float> x) override {
    std::vector<double>& first = sums[{layer, kinds.front()}];
    first.resize(x.cols());
    for (std::size_t t = 0; t < x.rows(); ++t)
      for (std::size_t j = 0; j < x.cols(); ++j)
        first[j] += static_cast<double>(x(t, j)) * static_cast<double>(x(t, j));
    for (const model::LinearKind kind : kinds) read_by[{layer, kind}] = kinds.front();
  }

  std::map<std::pair<std::size_t, model::LinearKind>, std::vector<double>> sums;
  std::map<std::pair<std::size_t, model::LinearKind>, model::LinearKind> read_by;
};

void put(std::ofstream& file, std::int32_t value) { file.write(reinterpret_cast<const char*>(&value), sizeof value); }

void write(const model::Model& model, std::size_t layers, const Squares& squares, std::size_t tokens,
           const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  put(file, static_cast<std::int32_t>(squares.read_by.size()));
  for (const model::TensorSpec& spec : model::tensor_table(model.config, model::Names::kGguf)) {
    if (spec.role != model::Role::kLinear) continue;
    for (std::size_t l = 0; l < layers; ++l) {
      const std::string name = model::tensor_name(spec.gguf_name, l);
      const std::vector<double>& sums = squares.sums.at({l, squares.read_by.at({l, spec.linears.front()})});
      put(file, static_cast<std::int32_t>(name.size()));
      file << name;
      put(file, 1);  // calls: the values are means already
      put(file, static_cast<std::int32_t>(sums.size()));
      for (const double sum : sums) {
        const auto mean = static_cast<float>(sum / static_cast<double>(tokens));
        file.write(reinterpret_cast<const char*>(&mean), sizeof mean);
      }
    }
  }
}

int run(std::map<std::string, std::string> a) {
  a.insert({{"calibration", test::shared_dir().string() + "/data/text/wikitext2-train-part.txt"},
            {"samples", "32"},
            {"window", "1024"},
            {"layers", "1000"},
            {"threads", "2"}});
  Threads threads(std::stoul(a["threads"]));
  Sink sink;
  const eval::Bundle bundle = must(eval::Bundle::load(a["model"], threads, sink, model::LoadOptions::as_stored()));
  const std::size_t window = std::stoul(a["window"]);
  const std::vector<model::TokenId> ids = bundle.tokenizer.encode(
      must(text::read_text(a["calibration"], text::Join::kRows, sink)), text::SpecialTokens::kAdd);
  const std::size_t layers = std::min<std::size_t>(bundle.model.layers.size(), std::stoul(a["layers"]));
  Squares squares;
  model::RunState state(bundle.model, threads, kernels::Compute::kF32);
  kernels::Buffer<float> stream;
  std::size_t tokens = 0;
  for (std::size_t s = 0; s < std::stoul(a["samples"]) && tokens + window <= ids.size(); ++s, tokens += window) {
    const MatrixView<float> x = stream.matrix(window, bundle.model.config.hidden_size);
    model::embed(bundle.model, std::span(ids).subspan(tokens, window), threads, x);
    const std::vector<model::SequenceSpan> sequence(1, {window, nullptr});
    for (std::size_t l = 0; l < layers; ++l)
      model::run_block(bundle.model, l, sequence, x, state, &squares);
  }
  write(bundle.model, layers, squares, tokens, a["out"]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> arguments;
  for (int i = 1; i + 1 < argc; i += 2) arguments[std::string(argv[i]).substr(2)] = argv[i + 1];
  return run(std::move(arguments));
}
