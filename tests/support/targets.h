#pragma once
/// Runs a check once for every instruction set this CPU has.

#include <cstdint>

#include <gtest/gtest.h>
#include <hwy/targets.h>

namespace lieq::test {

template <class Check>
void on_every_target(const Check& check) {
  std::int64_t left = hwy::SupportedTargets();
  while (left != 0) {
    const std::int64_t target = left & -left;
    left &= left - 1;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    SCOPED_TRACE(hwy::TargetName(target));
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace lieq::test
