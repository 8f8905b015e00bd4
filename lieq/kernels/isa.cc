#include "lieq/kernels/isa.h"

#include <algorithm>
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

/// What a CPU has beyond a target of Highway, each with those before it.
enum Extension { kNone, kDotProduct, kMatrixProduct };

struct Isa {
  const char* name;
  std::int64_t target;
  Extension extension;
};
constexpr Isa kIsas[] = {{"avx512-amx", HWY_AVX3, kMatrixProduct},
                         {"avx512-vnni", HWY_AVX3, kDotProduct},
                         {"avx512", HWY_AVX3, kNone},
                         {"avx2-vnni", HWY_AVX2, kDotProduct},
                         {"avx2", HWY_AVX2, kNone},
                         {"sse4", HWY_SSE4, kNone},
                         {"ssse3", HWY_SSSE3, kNone},
                         {"neon-i8mm", HWY_NEON, kMatrixProduct},
                         {"neon-dotprod", HWY_NEON, kDotProduct},
                         {"neon", HWY_NEON, kNone},
                         {"scalar", HWY_SCALAR, kNone}};

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

/// The most the CPU has beyond a target.
Extension cpu_extension(std::int64_t target) {
#if defined(__x86_64__)
  static const bool avx512_vnni = __builtin_cpu_supports("avx512vnni") != 0, avx_vnni = cpu_has_avx_vnni();
  static const bool amx = avx512_vnni && may_use_amx();
  if (target == HWY_AVX3) return amx ? kMatrixProduct : avx512_vnni ? kDotProduct : kNone;
  return target == HWY_AVX2 && avx_vnni ? kDotProduct : kNone;
#elif defined(__aarch64__)
  static const bool dotprod = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  static const bool i8mm = (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
  return target != HWY_NEON || !dotprod ? kNone : i8mm ? kMatrixProduct : kDotProduct;
#else
  (void)target;
  return kNone;
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

std::atomic<Extension> most_allowed{kMatrixProduct};

Extension extension_of(std::int64_t target) {
  return std::min(most_allowed.load(std::memory_order_relaxed), cpu_extension(target));
}

bool is_available(const Isa& isa) {
  return (all_targets() & isa.target) != 0 && isa.extension <= cpu_extension(isa.target);
}

void choose(std::int64_t targets, Extension most) {
  hwy::SetSupportedTargetsForTest(targets);
  hwy::GetChosenTarget().Update(targets);
  most_allowed = most;
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
    if (isa.target == best && isa.extension == extension_of(best)) return isa.name;
  return hwy::TargetName(best);
}

Result<void> use_isa(std::string_view name) {
  if (name == "auto") {
    choose(all_targets(), kMatrixProduct);
    return {};
  }
  for (const Isa& isa : kIsas) {
    if (name != isa.name || !is_available(isa)) continue;
    choose(isa.target, isa.extension);
    return {};
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("LIEQ_ISA: found '{}', expected auto or one of {}", name, fmt::join(isa_names(), ", ")));
}

bool has_dot_product(std::int64_t target) { return extension_of(target) >= kDotProduct; }
bool has_matrix_product(std::int64_t target) { return extension_of(target) >= kMatrixProduct; }

}  // namespace lieq::kernels
