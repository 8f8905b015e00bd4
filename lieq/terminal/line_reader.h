#pragma once
/// Lines from standard input that Ctrl-C can cut short.

#include <string>

namespace lieq::terminal {

class LineReader {
 public:
  enum class End { kLine, kEndOfInput, kInterrupted };
  struct Line {
    End end = End::kLine;
    std::string text;  ///< without its line end
  };
  /// Waits for a line. A line that ends in a backslash goes on with the next one; `more` is called before it is read.
  template <class More>
  [[nodiscard]] Line read(const More& more) {
    Line all;
    while (true) {
      Line one = read_one();
      all.text += one.text;
      all.end = one.end;
      if (one.end != End::kLine || !all.text.ends_with('\\')) return all;
      all.text.back() = '\n';
      more();
    }
  }

 private:
  [[nodiscard]] Line read_one();
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace lieq::terminal
