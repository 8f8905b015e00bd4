#pragma once
/// Rows of the hub's data sets as the lines that lieq keeps.

#include <cstddef>
#include <string>

#include <nlohmann/json.hpp>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq::hub {

/// How a row becomes a line of the file.
enum class Form {
  kWikiText,   ///< `text`; an empty row was a line of one blank
  kPtb,        ///< `sentence`, with a blank on either side
  kTask,       ///< a task record; see data_sets.h
  kC4,         ///< `text`, `timestamp`, `url` as JSON
  kDolly,      ///< `id`, `instruction`, `context`, `response`, `category`
  kDialogues,  ///< `id`, `subset`, `chosen`, `rejected`
};

/// What a record says of where it is from.
struct Origin {
  std::string name;   ///< task or data set
  std::string split;  ///< official split, or the subset
};

/// Makes lines of one source. Keeps count of the rows of each subject, which the ids of MMLU use.
class LineMaker {
 public:
  LineMaker(Form form, Origin origin) : form_(form), origin_(std::move(origin)) {}

  /// The line, with its line end. Errors: kInvalidFormat naming row and field (missing, of another type, an answer that
  /// is none of the choices).
  [[nodiscard]] Result<std::string> line(std::size_t index, const Json& row);

 private:
  [[nodiscard]] Result<std::string> task_line(std::size_t index, const Json& row, const std::string& place);

  Form form_;
  Origin origin_;
  std::string subject_;
  std::size_t subject_begin_ = 0;
};

}  // namespace lieq::hub
