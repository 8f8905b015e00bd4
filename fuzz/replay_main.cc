/// Runs a fuzz target over a folder of inputs, and over truncations and byte flips of each, without libFuzzer.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::size_t replay_with_mutations(const std::vector<std::uint8_t>& input) {
  std::size_t runs = 1;
  LLVMFuzzerTestOneInput(input.data(), input.size());
  std::mt19937 random(12345);  // fixed: every replay tries the same mutations
  for (int i = 0; i < 200 && !input.empty(); ++i, ++runs) {
    std::vector<std::uint8_t> mutated = input;
    if (i % 4 == 0) mutated.resize(random() % input.size());
    for (unsigned flips = random() % 4; flips > 0 && !mutated.empty(); --flips)
      mutated[random() % mutated.size()] = static_cast<std::uint8_t>(random());
    LLVMFuzzerTestOneInput(mutated.data(), mutated.size());
  }
  return runs;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t files = 0, runs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream stream(entry.path(), std::ios::binary);
      const std::vector<std::uint8_t> input{std::istreambuf_iterator<char>(stream), {}};
      runs += replay_with_mutations(input);
      ++files;
    }
  }
  std::printf("%zu inputs from %zu files\n", runs, files);
  return files > 0 ? 0 : 1;
}
