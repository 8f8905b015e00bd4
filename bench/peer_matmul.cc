/// Latency of ggml_mul_mat at one shape, for types given by name: what compare_peers.py builds against the ggml of
/// llama.cpp or ik_llama.cpp and puts beside `lieq bench --shape`. Weights are used in rotation over 256 MB.
///   peer_matmul IN OUT THREADS SECONDS TOKENS[,TOKENS...] TYPE[,TYPE...]
/// TYPE is a name of ggml_type_name(); with "+repack", weights go into the CPU's repacking buffer (llama.cpp).
/// One line of JSON for each type and number of tokens; a type the library lacks or cannot place gives none.

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <sstream>
#include <string>
#include <strings.h>
#include <vector>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml.h"
#if __has_include("ggml-cpu.h")
#include "ggml-cpu.h"
#define PEER_HAS_REPACK 1
#endif

namespace {

struct Options {
  std::int64_t in = 0, out = 0;
  int threads = 1;
  double seconds = 0;
  std::vector<std::string> tokens, types;
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream stream(list);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

double now(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

int find_type(const std::string& name) {
  for (int type = 0; type < GGML_TYPE_COUNT; ++type) {
    const char* known = ggml_type_name(static_cast<ggml_type>(type));
    if (known && strcasecmp(known, name.c_str()) == 0) return type;
  }
  return -1;
}

/// The buffer type that repacks on upload, or nullptr.
ggml_backend_buffer_type_t repacking_buffer() {
#ifdef PEER_HAS_REPACK
  ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  ggml_backend_reg_t registry = ggml_backend_dev_backend_reg(device);
  using Get = ggml_backend_buffer_type_t* (*)(ggml_backend_dev_t);
  const auto get =
      reinterpret_cast<Get>(ggml_backend_reg_get_proc_address(registry, "ggml_backend_dev_get_extra_bufts"));
  for (auto* buffer = get ? get(device) : nullptr; buffer && *buffer; ++buffer)
    if (std::string(ggml_backend_buft_name(*buffer)) == "CPU_REPACK") return *buffer;
#endif
  return nullptr;
}

/// ggml_quantize_chunk, which takes further pointers in ik_llama.cpp.
template <class... More>
void quantise_rows(std::size_t (*quantise)(ggml_type, const float*, void*, std::int64_t, std::int64_t, std::int64_t,
                                           const float*, More...),
                   ggml_type type, const std::vector<float>& rows, std::int64_t in,
                   const std::vector<float>& importance, void* target) {
  quantise(type, rows.data(), target, 0, static_cast<std::int64_t>(rows.size()) / in, in, importance.data(), More{}...);
}

/// Random weights in `type`; the same few rows again and again, as quantising all would take longer than measuring.
std::vector<char> quantised(ggml_type type, std::int64_t in, std::int64_t out) {
  constexpr std::int64_t kRows = 16;
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<float> rows(static_cast<std::size_t>(kRows * in)), importance(static_cast<std::size_t>(in), 1.0F);
  for (float& value : rows) value = normal(random);
  const std::size_t row_bytes = ggml_row_size(type, in), part = kRows * row_bytes;
  std::vector<char> data(static_cast<std::size_t>(out) * row_bytes);
  quantise_rows(ggml_quantize_chunk, type, rows, in, importance, data.data());
  for (std::size_t at = part; at < data.size(); at += part)
    std::copy_n(data.begin(), std::min(part, data.size() - at), data.begin() + static_cast<std::ptrdiff_t>(at));
  return data;
}

class Peer {
 public:
  Peer(const Options& options, ggml_type type, ggml_backend_buffer_type_t buffer_type, ggml_backend_t backend)
      : options_(options), backend_(backend) {
    const std::vector<char> data = quantised(type, options.in, options.out);
    const std::size_t copies = std::max<std::size_t>(2, (std::size_t{256} << 20) / data.size() + 1);
    context_ = ggml_init({(copies + 1) * ggml_tensor_overhead(), nullptr, true});
    for (std::size_t c = 0; c < copies; ++c)
      weights_.push_back(ggml_new_tensor_2d(context_, type, options.in, options.out));
    buffer_ = ggml_backend_alloc_ctx_tensors_from_buft(context_, buffer_type);
    if (!buffer_) return;
    for (ggml_tensor* weight : weights_) ggml_backend_tensor_set(weight, data.data(), 0, data.size());
  }
  ~Peer() {
    if (buffer_) ggml_backend_buffer_free(buffer_);
    ggml_free(context_);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] bool is_ready() const { return buffer_ != nullptr; }

  void measure(const std::string& name, std::int64_t tokens) {
    ggml_context* context = ggml_init(
        {(2 * weights_.size() + 1) * ggml_tensor_overhead() + weights_.size() * ggml_graph_overhead(), nullptr, true});
    ggml_tensor* x = ggml_new_tensor_2d(context, GGML_TYPE_F32, options_.in, tokens);
    std::vector<ggml_cgraph*> graphs;
    for (ggml_tensor* weight : weights_) {
      graphs.push_back(ggml_new_graph(context));
      ggml_build_forward_expand(graphs.back(), ggml_mul_mat(context, weight, x));
    }
    ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors(context, backend_);
    std::vector<float> values(static_cast<std::size_t>(options_.in * tokens));
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    for (float& value : values) value = normal(random);
    ggml_backend_tensor_set(x, values.data(), 0, values.size() * sizeof(float));

    double wall = 1e9, cpu = 1e9;
    ggml_backend_graph_compute(backend_, graphs[0]);
    const double start = now(CLOCK_MONOTONIC);
    std::size_t run = 0;
    do {
      const double wall_before = now(CLOCK_MONOTONIC), cpu_before = now(CLOCK_PROCESS_CPUTIME_ID);
      ggml_backend_graph_compute(backend_, graphs[++run % graphs.size()]);
      wall = std::min(wall, now(CLOCK_MONOTONIC) - wall_before);
      cpu = std::min(cpu, now(CLOCK_PROCESS_CPUTIME_ID) - cpu_before);
    } while (now(CLOCK_MONOTONIC) - start < options_.seconds);
    std::printf("{\"kernel\": \"%s\", \"tokens\": %lld, \"seconds\": %.9f, \"cpu_seconds\": %.9f}\n", name.c_str(),
                static_cast<long long>(tokens), wall, cpu);
    std::fflush(stdout);
    ggml_backend_buffer_free(buffer);
    ggml_free(context);
  }

 private:
  const Options& options_;
  ggml_backend_t backend_;
  ggml_context* context_ = nullptr;
  ggml_backend_buffer_t buffer_ = nullptr;
  std::vector<ggml_tensor*> weights_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: peer_matmul IN OUT THREADS SECONDS TOKENS[,...] TYPE[,...]\n");
    return 2;
  }
  const Options options{std::atoll(argv[1]), std::atoll(argv[2]), std::atoi(argv[3]),
                        std::atof(argv[4]),  split(argv[5]),      split(argv[6])};
  ggml_backend_t backend = ggml_backend_cpu_init();
  ggml_backend_cpu_set_n_threads(backend, options.threads);
  for (const std::string& name : options.types) {
    const std::size_t plus = name.find('+');
    const int type = find_type(name.substr(0, plus));
    ggml_backend_buffer_type_t buffer = plus == std::string::npos ? ggml_backend_cpu_buffer_type() : repacking_buffer();
    if (type < 0 || !buffer) continue;
    Peer peer(options, static_cast<ggml_type>(type), buffer, backend);
    if (!peer.is_ready()) continue;
    for (const std::string& tokens : options.tokens) peer.measure(name, std::atoll(tokens.c_str()));
  }
  ggml_backend_free(backend);
  return 0;
}
