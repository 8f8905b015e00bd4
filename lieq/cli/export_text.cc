#include "lieq/cli/export_text.h"

#include <fmt/format.h>

#include "lieq/base/labels.h"

namespace lieq::cli {

std::string target_names() {
  std::string names;
  for (const save::Target* target : save::targets())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", target->name);
  return names;
}

std::string target_help() {
  std::string help;
  for (const save::Target* target : save::targets()) help += fmt::format("  {:<20}{}\n", target->name, target->what);
  return help;
}

std::string export_text(const save::ExportRecord& record) {
  std::string text = fmt::format("{}: {}, {}; ", record.output.string(), record.target, bytes_text(record.bytes()));
  const std::size_t exact = record.tensors - record.differences.size();
  if (record.differences.empty())
    return text + fmt::format("read back: all {} tensors are the source's, bit for bit\n", record.tensors);
  text += fmt::format("read back: {} of {} tensors are the source's, bit for bit", exact, record.tensors);
  if (record.largest_difference() > 0)
    text += fmt::format("; the largest difference of a weight is {:.3g}", record.largest_difference());
  if (record.largest_embedding_difference() > 0)
    text += fmt::format("; of embedding and head {:.3g}", record.largest_embedding_difference());
  return text + "\n";
}

}  // namespace lieq::cli
