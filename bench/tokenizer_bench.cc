/// MB/s of encoding and decoding WikiText-2's test text, for each tokenizer of ../shared/golden and any given on the
/// command line:  tokenizer_bench [--benchmark_...] [--text FILE] [TOKENIZER_FILE ...]

#include <zlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "lieq/text/corpus.h"
#include "lieq/text/tokenizer.h"
#include "tests/support/paths.h"

namespace {

using lieq::text::Tokenizer;

const std::filesystem::path kShared = lieq::test::shared_dir();

std::string read_gz(const std::filesystem::path& file) {
  std::string text;
  gzFile gz = gzopen(file.c_str(), "rb");
  std::array<char, 1 << 16> block{};
  for (int n = 0; gz != nullptr && (n = gzread(gz, block.data(), block.size())) > 0;)
    text.append(block.data(), static_cast<std::size_t>(n));
  if (gz != nullptr) gzclose(gz);
  return text;
}

void count_bytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(bytes));
}

void add(const std::string& name, lieq::Result<Tokenizer> loaded, const std::string& text) {
  if (!loaded) {
    std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
    return;
  }
  const auto tokenizer = std::make_shared<const Tokenizer>(std::move(loaded).value());
  benchmark::RegisterBenchmark(("encode/" + name).c_str(), [tokenizer, &text](benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(tokenizer->encode(text, lieq::text::SpecialTokens::kNone));
    count_bytes(state, text.size());
  });
  const auto ids = tokenizer->encode(text, lieq::text::SpecialTokens::kNone);
  benchmark::RegisterBenchmark(("decode/" + name).c_str(), [tokenizer, ids, &text](benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(tokenizer->decode(ids, lieq::text::SpecialText::kKeep));
    count_bytes(state, text.size());
  });
}

void add_load(const std::string& name, const std::string& json) {
  benchmark::RegisterBenchmark(("load/" + name).c_str(), [name, json](benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(Tokenizer::from_json_text(json, name));
    count_bytes(state, json.size());
  });
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::filesystem::path text_file = kShared / "data/text/wikitext2-test.txt";
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--text" && i + 1 < argc) {
      text_file = argv[++i];
    } else {
      files.emplace_back(argv[i]);
    }
  }
  lieq::Sink silent;
  const auto text = lieq::text::read_text(text_file, lieq::text::Join::kWhole, silent);
  if (!text) {
    std::fprintf(stderr, "%s\n", text.error().message.c_str());
    return 1;
  }
  for (const char* name : {"smollm2", "qwen3", "llama3_2", "llama2"}) {
    const auto file = kShared / "golden/tokenizers" / name / "tokenizer.json.gz";
    if (!std::filesystem::exists(file)) continue;
    const std::string json = read_gz(file);
    add(name, Tokenizer::from_json_text(json, name), *text);
    add_load(name, json);
  }
  for (const std::string& file : files) add(file, Tokenizer::load(file), *text);
  benchmark::RunSpecifiedBenchmarks();
}
