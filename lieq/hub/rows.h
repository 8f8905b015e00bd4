#pragma once
/// Rows of a data set by the hub's datasets server, which serves Parquet files as JSON.

#include <cstddef>
#include <functional>
#include <string>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/hub/client.h"

namespace lieq::hub {

struct Split {
  std::string data_set, config, split;
  std::size_t rows = 0;   ///< official size; 0: whatever the server says
  std::size_t limit = 0;  ///< only the first so many; 0: all
};

using TakeRow = std::function<Result<void>(std::size_t index, const Json& row)>;

/// Gives each row in order, in pages of 100 (GET /rows?dataset=..&config=..&split=..&offset=..&length=100).
/// Errors: kIo, kInvalidFormat (not the official number of rows, a row missing or out of order, a cell cut short), and
/// those of `take`.
[[nodiscard]] Result<void> each_row(Client& client, const Split& split, const TakeRow& take);

/// Gives each line of a .jsonl or .jsonl.gz (.json.gz) file as a row; of a file longer than `limit` (not 0) the first
/// ones. Errors: kIo, kInvalidFormat (not gzip, a line that is no JSON object), and those of `take`.
[[nodiscard]] Result<void> each_line(const std::filesystem::path& file, std::size_t limit, const TakeRow& take);

}  // namespace lieq::hub
