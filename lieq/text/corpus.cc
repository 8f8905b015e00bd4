#include "lieq/text/corpus.h"

#include <utility>

#include "lieq/base/lines.h"
#include "lieq/base/utf8.h"
#include "lieq/io/mapped_file.h"

namespace lieq::text {
namespace {

/// The file, repaired.
Result<std::string> read_utf8(const std::filesystem::path& file, Sink& sink) {
  LIEQ_ASSIGN(const io::MappedFile mapped, io::MappedFile::open(file));
  const auto bytes = mapped.bytes();
  const std::string_view raw(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (is_utf8(raw)) return std::string(raw);
  // Its letters would be read as text with NUL between.
  if (raw.starts_with("\xFF\xFE") || raw.starts_with("\xFE\xFF"))
    return fail(ErrorCode::kInvalidFormat, file.string() + ": found text in UTF-16, expected UTF-8");
  RepairedText repaired = repair_utf8(raw);
  sink.warn(file.string() + ": " + std::to_string(repaired.replaced) + " invalid UTF-8 sequence" +
            (repaired.replaced == 1 ? "" : "s") + " replaced by U+FFFD");
  return std::move(repaired.text);
}

std::string join_rows(std::string_view text) {
  std::string joined;
  joined.reserve(text.size() + text.size() / 16);
  for (bool first = true; !text.empty(); first = false) {
    const std::string_view line = take_line(text);
    joined.append(first ? "" : "\n\n").append(is_blank(line) ? "" : line);
  }
  return joined;
}

Result<std::vector<std::string>> parse_documents(std::string_view text, const std::string& file,
                                                 std::string_view field) {
  LIEQ_ASSIGN(const auto lines, parse_json_lines(text, file));
  std::vector<std::string> documents;
  for (const JsonLine& line : lines) {
    LIEQ_ASSIGN(auto document, Fields(line.object, line.place).string(field));
    if (!document)
      return fail(ErrorCode::kInvalidFormat,
                  line.place + ": field '" + std::string(field) + "': missing, expected a string");
    documents.push_back(std::move(*document));
  }
  return documents;
}

}  // namespace

Result<std::vector<std::string>> read_documents(const std::filesystem::path& file, Sink& sink, std::string_view field) {
  LIEQ_ASSIGN(std::string text, read_utf8(file, sink));
  if (file.extension() == ".jsonl") return parse_documents(text, file.string(), field);
  std::vector<std::string> whole;
  whole.push_back(std::move(text));
  return whole;
}

Result<std::string> read_text(const std::filesystem::path& file, Join join, Sink& sink, std::string_view field) {
  LIEQ_ASSIGN(const auto documents, read_documents(file, sink, field));
  std::string text;
  for (std::size_t i = 0; i < documents.size(); ++i) text.append(i == 0 ? "" : "\n\n").append(documents[i]);
  if (join == Join::kRows && file.extension() != ".jsonl") text = join_rows(text);
  if (is_blank(text)) return fail(ErrorCode::kInvalidFormat, file.string() + ": holds no text, expected some");
  return text;
}

}  // namespace lieq::text
