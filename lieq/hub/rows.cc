#include "lieq/hub/rows.h"

#include <zlib.h>

#include <memory>
#include <vector>

#include <fmt/format.h>

namespace lieq::hub {
namespace {

constexpr std::size_t kPage = 100;  // the server's limit
constexpr std::size_t kLongestLine = std::size_t{16} << 20;

/// One page of rows; says how many rows there are in all.
Result<std::size_t> take_page(const Json& page, const std::string& place, std::size_t offset, std::size_t wanted,
                              const TakeRow& take) {
  const Fields fields(page, place);
  LIEQ_ASSIGN(const std::size_t total, fields.required_count("num_rows_total"));
  const Json* rows = fields.find("rows");
  const std::size_t expected = std::min(wanted, total > offset ? total - offset : 0);
  if (!rows || !rows->is_array() || rows->size() != expected)
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: field 'rows': found {}, expected a list of {}", place,
                                                       rows ? brief(*rows) : "nothing", expected));
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const Fields entry((*rows)[i], place);
    LIEQ_ASSIGN(const std::size_t index, entry.required_count("row_idx"));
    const Json* row = entry.find("row");
    const Json* cut = entry.find("truncated_cells");
    if (index != offset + i || !row || !row->is_object())
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: found row {}, expected row {}", place, index, offset + i));
    if (cut && !cut->empty())
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: row {}: the server cut {} short", place, index, cut->dump()));
    LIEQ_TRY(take(index, *row));
  }
  return total;
}

}  // namespace

Result<void> each_row(Client& client, const Split& split, const TakeRow& take) {
  const Environment& environment = client.environment();
  std::size_t end = split.limit > 0 ? split.limit : kPage;  // the first page tells
  for (std::size_t offset = 0; offset < end; offset += kPage) {
    const std::size_t length = split.limit > 0 ? std::min(kPage, split.limit - offset) : kPage;
    const std::string place =
        fmt::format("{} ({}, {}), rows from {}", split.data_set, split.config, split.split, offset);
    LIEQ_ASSIGN(
        const Json page,
        client.json(fmt::format("{}/rows?dataset={}&config={}&split={}&offset={}&length={}", environment.rows_server,
                                percent_encoded(split.data_set, false), percent_encoded(split.config, false),
                                percent_encoded(split.split, false), offset, length),
                    place));
    LIEQ_ASSIGN(const std::size_t total, take_page(page, place, offset, length, take));
    if (split.rows > 0 && total != split.rows)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: field 'num_rows_total': found {}, expected {}", place, total, split.rows));
    end = split.limit > 0 ? std::min(split.limit, total) : total;
    if (environment.progress)
      client.sink().progress(split.data_set + " " + split.split + ", rows", std::min(offset + kPage, end), end);
  }
  return {};
}

Result<void> each_line(const std::filesystem::path& file, std::size_t limit, const TakeRow& take) {
  const std::unique_ptr<gzFile_s, decltype(&gzclose)> stream(gzopen(file.c_str(), "rb"), gzclose);
  if (!stream) return fail(ErrorCode::kNotFound, file.string() + ": cannot be read");
  std::string line;
  std::vector<char> buffer(std::size_t{1} << 16);
  for (std::size_t index = 0; limit == 0 || index < limit;) {
    const char* got = gzgets(stream.get(), buffer.data(), static_cast<int>(buffer.size()));
    int error = Z_OK;
    const char* reason = gzerror(stream.get(), &error);
    if (!got && error != Z_OK && error != Z_STREAM_END)
      return fail(ErrorCode::kInvalidFormat, file.string() + ": not whole gzip data: " + reason);
    if (got) line += got;
    if (got && !line.ends_with('\n') && line.size() < kLongestLine) continue;
    const std::string place = fmt::format("{}: line {}", file.string(), index + 1);
    if (line.size() >= kLongestLine)
      return fail(ErrorCode::kInvalidFormat, fmt::format("{}: longer than {} bytes", place, kLongestLine));
    if (line.find_first_not_of(" \r\n") != std::string::npos) {
      LIEQ_ASSIGN(const Json row, parse_json(line, place));
      LIEQ_TRY(take(index++, row));
    }
    if (!got) break;
    line.clear();
  }
  return {};
}

}  // namespace lieq::hub
