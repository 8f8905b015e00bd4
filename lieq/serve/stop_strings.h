#pragma once
/// Strings that end a text.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lieq::serve {

/// Passes a text on as it comes, up to the first of some strings. What could still become one of them is held back.
class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  /// What `text` settles; nothing once stopped().
  [[nodiscard]] std::string add(std::string_view text);
  /// What was held back.
  [[nodiscard]] std::string finish();
  [[nodiscard]] bool stopped() const { return !found_.empty(); }
  /// The string that ended the text, "" before.
  [[nodiscard]] const std::string& found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_, found_;
};

}  // namespace lieq::serve
