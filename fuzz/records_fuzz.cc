/// JSON and the records read from it: errors are one line, and what is read can be written and read again.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lieq/base/check.h"
#include "lieq/base/bit_plan.h"
#include "lieq/base/json.h"
#include "lieq/base/layer_scores.h"
#include "lieq/base/records.h"

namespace {

/// What can be read can be written, read again, and is then written the same.
template <class Read>
void check_record(const lieq::Json& json, const Read& read) {
  const auto record = read(json, "fuzz");
  if (!record) {
    LIEQ_CHECK(record.error().message.rfind("fuzz: ", 0) == 0);
    LIEQ_CHECK(record.error().message.find('\n') == std::string::npos);
    return;
  }
  const lieq::Json written = to_json(*record);
  const auto parsed = lieq::parse_json(written.dump(), "again");
  LIEQ_CHECK(parsed.has_value());
  const auto again = read(*parsed, "again");
  LIEQ_CHECK(again.has_value());
  LIEQ_CHECK(to_json(*again) == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = lieq::parse_json(text, "fuzz");
  const auto strict = lieq::parse_json(text, "fuzz", lieq::DuplicateKeys::kRefuse);
  LIEQ_CHECK(json || !strict);  // refusing duplicates only takes away
  if (!json) {
    LIEQ_CHECK(json.error().message.rfind("fuzz: ", 0) == 0 && json.error().message.size() < 300);
    LIEQ_CHECK(json.error().message.find('\n') == std::string::npos);
    return 0;
  }
  LIEQ_CHECK(!strict || *strict == *json);
  check_record(*json, lieq::eval_record_from_json);
  check_record(*json, lieq::bit_plan_from_json);
  check_record(*json, lieq::layer_scores_from_json);
  return 0;
}
