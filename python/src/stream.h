#pragma once
/// Text as a model writes it: an iterator of Python.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lieq/eval/generate.h"
#include "lieq/text/stream_decoder.h"
#include "loaded_model.h"
#include "work.h"

namespace lieq::python {

/// Ends a text before the first of some strings. What could be the beginning of one is held back.
class StopTexts {
 public:
  explicit StopTexts(std::vector<std::string> stops);
  /// What of all that came so far is settled now.
  [[nodiscard]] std::string add(const std::string& text);
  /// What was held back, when nothing more comes.
  [[nodiscard]] std::string finish();
  [[nodiscard]] bool found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool found_ = false;
};

/// What a stream is asked for.
struct StreamRequest {
  std::vector<text::TokenId> prompt;
  eval::GenerateOptions generate;
  kernels::Compute compute = kernels::Compute::kInt8;
  std::vector<std::string> stops;
  std::size_t context = 0;     ///< tokens of prompt and answer at most
  bool decodes_prompt = true;  ///< what the first token looks like depends on the prompt's last ones
};

class TextStream {
 public:
  TextStream(std::shared_ptr<LoadedModel> model, StreamRequest request);
  ~TextStream();
  TextStream(const TextStream&) = delete;
  TextStream& operator=(const TextStream&) = delete;

  /// The next piece of text, not empty; nothing at the end. The GIL is held, and released meanwhile.
  [[nodiscard]] std::optional<std::string> next();
  /// Ends it. What was written stays.
  void close();

  [[nodiscard]] const eval::Generation& generation() const { return stream_->generation(); }
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::vector<text::TokenId>& prompt() const { return prompt_; }
  /// "length", "stop", "cancelled", "context"; nullptr while it goes on.
  [[nodiscard]] const char* end() const;

 private:
  [[nodiscard]] std::optional<text::TokenId> next_token();
  void finish();

  std::shared_ptr<LoadedModel> model_;
  std::shared_ptr<Team> team_;
  PythonSink sink_;
  std::vector<text::TokenId> prompt_;
  model::RunState state_;
  std::unique_ptr<eval::Sequence> sequence_;
  std::optional<eval::TokenStream> stream_;
  text::StreamDecoder decoder_;
  StopTexts stops_;
  std::string text_;
  bool ended_ = false;
};

}  // namespace lieq::python
