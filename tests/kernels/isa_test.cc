#include "lieq/kernels/isa.h"

#include <algorithm>
#include <cstdlib>

#include <gtest/gtest.h>

namespace lieq::kernels {
namespace {

TEST(Isa, TheBestComesFirstAndIsTheDefault) {
  ASSERT_FALSE(isa_names().empty());
  ASSERT_TRUE(use_isa("auto"));
  EXPECT_EQ(isa_name(), isa_names().front());
  // Set by aarch64.sh, which knows what CPU it emulates.
  const char* best = std::getenv("LIEQ_TEST_BEST_ISA");
  if (best != nullptr) {
    EXPECT_EQ(isa_name(), best);
  }
}

TEST(Isa, EveryNameCanBeUsedAndNoOther) {
  for (const std::string& name : isa_names()) {
    ASSERT_TRUE(use_isa(name));
    EXPECT_EQ(isa_name(), name);
  }
  ASSERT_TRUE(use_isa("auto"));
  const auto wrong = use_isa("mmx");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::kInvalidArgument);
  for (const std::string& name : isa_names()) EXPECT_NE(wrong.error().message.find(name), std::string::npos);
  EXPECT_EQ(isa_name(), isa_names().front());  // a wrong name changes nothing
}

}  // namespace
}  // namespace lieq::kernels
