/// JSON and the records read from it: errors are one line, and what is read can be written and read again.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lieq/base/check.h"
#include "lieq/base/json.h"
#include "lieq/base/records.h"

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
  const auto record = lieq::eval_record_from_json(*json, "fuzz");
  if (!record) {
    LIEQ_CHECK(record.error().message.find('\n') == std::string::npos);
    return 0;
  }
  const auto written = lieq::parse_json(lieq::to_json(*record).dump(), "again");
  LIEQ_CHECK(written.has_value());
  const auto again = lieq::eval_record_from_json(*written, "again");
  LIEQ_CHECK(again.has_value());
  LIEQ_CHECK(again->num_tokens == record->num_tokens && again->nll == record->nll && again->kl == record->kl);
  return 0;
}
