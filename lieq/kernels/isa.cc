#include "lieq/kernels/isa.h"

#include <atomic>
#include <cstdint>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hwy/targets.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

namespace lieq::kernels {
namespace {

struct Isa {
  const char* name;
  std::int64_t target;
  bool dot;
};
constexpr Isa kIsas[] = {{"avx512-vnni", HWY_AVX3, true},   {"avx512", HWY_AVX3, false}, {"avx2-vnni", HWY_AVX2, true},
                         {"avx2", HWY_AVX2, false},         {"sse4", HWY_SSE4, false},   {"ssse3", HWY_SSSE3, false},
                         {"neon-dotprod", HWY_NEON, true}, {"neon", HWY_NEON, false},   {"scalar", HWY_SCALAR, false}};

#if defined(__x86_64__)
/// GCC 12 knows no name for AVX-VNNI: leaf 7, subleaf 1, EAX bit 4.
bool cpu_has_avx_vnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || eax < 1) return false;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & 16U) != 0;
}
#endif

/// Whether the CPU has the dot product that goes with a target.
bool cpu_has_dot(std::int64_t target) {
#if defined(__x86_64__)
  static const bool avx512_vnni = __builtin_cpu_supports("avx512vnni") != 0, avx_vnni = cpu_has_avx_vnni();
  return (target == HWY_AVX3 && avx512_vnni) || (target == HWY_AVX2 && avx_vnni);
#elif defined(__aarch64__)
  static const bool dotprod = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  return target == HWY_NEON && dotprod;
#else
  (void)target;
  return false;
#endif
}

/// Targets in use that have a name here; others (SVE) have no packed kernels.
std::int64_t named_targets() {
  std::int64_t named = 0;
  for (const Isa& isa : kIsas) named |= isa.target;
  return hwy::SupportedTargets() & named;
}

/// Those of this CPU, before anybody narrowed them.
std::int64_t all_targets() {
  static const std::int64_t all = named_targets();
  return all;
}

std::atomic<bool> dot_allowed{true};

bool is_available(const Isa& isa) { return (all_targets() & isa.target) != 0 && (!isa.dot || cpu_has_dot(isa.target)); }

void choose(std::int64_t targets, bool dot) {
  hwy::SetSupportedTargetsForTest(targets);
  hwy::GetChosenTarget().Update(targets);
  dot_allowed = dot;
}

}  // namespace

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (const Isa& isa : kIsas)
    if (is_available(isa)) names.emplace_back(isa.name);
  return names;
}

std::string isa_name() {
  const std::int64_t targets = named_targets(), best = targets & -targets;
  for (const Isa& isa : kIsas)
    if (isa.target == best && isa.dot == has_dot_product(best)) return isa.name;
  return hwy::TargetName(best);
}

Result<void> use_isa(std::string_view name) {
  if (name == "auto") {
    choose(all_targets(), true);
    return {};
  }
  for (const Isa& isa : kIsas) {
    if (name != isa.name || !is_available(isa)) continue;
    choose(isa.target, isa.dot);
    return {};
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("LIEQ_ISA: found '{}', expected auto or one of {}", name, fmt::join(isa_names(), ", ")));
}

bool has_dot_product(std::int64_t target) { return dot_allowed.load(std::memory_order_relaxed) && cpu_has_dot(target); }

}  // namespace lieq::kernels
