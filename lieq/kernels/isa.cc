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
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace lieq::kernels {
namespace {

/// What there is beyond a target's own instructions. Each includes those before it.
enum class Extra { kNone, kDot, kAmx };

struct Isa {
  const char* name;
  std::int64_t target;
  Extra extra;
};
constexpr Isa kIsas[] = {
    {"avx512-amx", HWY_AVX3, Extra::kAmx},   {"avx512-vnni", HWY_AVX3, Extra::kDot}, {"avx512", HWY_AVX3, Extra::kNone},
    {"avx2-vnni", HWY_AVX2, Extra::kDot},    {"avx2", HWY_AVX2, Extra::kNone},       {"sse4", HWY_SSE4, Extra::kNone},
    {"ssse3", HWY_SSSE3, Extra::kNone},      {"neon-dotprod", HWY_NEON, Extra::kDot}, {"neon", HWY_NEON, Extra::kNone},
    {"scalar", HWY_SCALAR, Extra::kNone}};

#if defined(__x86_64__)
/// GCC 12 knows no name for AVX-VNNI: leaf 7, subleaf 1, EAX bit 4.
bool cpu_has_avx_vnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || eax < 1) return false;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & 16U) != 0;
}

/// AMX with 8-bit products (leaf 7, EDX bits 24 and 25), whose registers the system keeps (XCR0 bits 17 and 18) and
/// lets this process use: Linux wants to be asked, as they make threads and signals larger.
bool may_use_amx() {
  constexpr unsigned kOsXsave = 1U << 27, kAmx = 3U << 24, kRegisters = 3U << 17;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & kOsXsave) == 0) return false;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || (edx & kAmx) != kAmx) return false;
  __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
  return (eax & kRegisters) == kRegisters && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
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

bool cpu_has_amx() {
#if defined(__x86_64__)
  static const bool amx = cpu_has_dot(HWY_AVX3) && may_use_amx();
  return amx;
#else
  return false;
#endif
}

bool cpu_has(std::int64_t target, Extra extra) {
  return extra == Extra::kNone || (extra == Extra::kDot ? cpu_has_dot(target) : cpu_has_amx());
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

std::atomic<Extra> allowed{Extra::kAmx};

bool is_available(const Isa& isa) { return (all_targets() & isa.target) != 0 && cpu_has(isa.target, isa.extra); }

bool is_used(std::int64_t target, Extra extra) {
  return extra <= allowed.load(std::memory_order_relaxed) && cpu_has(target, extra);
}

void choose(std::int64_t targets, Extra extra) {
  hwy::SetSupportedTargetsForTest(targets);
  hwy::GetChosenTarget().Update(targets);
  allowed = extra;
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
    if (isa.target == best && is_used(best, isa.extra)) return isa.name;
  return hwy::TargetName(best);
}

Result<void> use_isa(std::string_view name) {
  if (name == "auto") {
    choose(all_targets(), Extra::kAmx);
    return {};
  }
  for (const Isa& isa : kIsas) {
    if (name != isa.name || !is_available(isa)) continue;
    choose(isa.target, isa.extra);
    return {};
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("LIEQ_ISA: found '{}', expected auto or one of {}", name, fmt::join(isa_names(), ", ")));
}

bool has_dot_product(std::int64_t target) { return is_used(target, Extra::kDot); }

bool has_amx() { return is_used(HWY_AVX3, Extra::kAmx); }

}  // namespace lieq::kernels
