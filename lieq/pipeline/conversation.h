#pragma once
/// A conversation with a model: its chat template, what was said, and the keys and values of it.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/eval/bundle.h"
#include "lieq/eval/generate.h"
#include "lieq/kernels/linear.h"
#include "lieq/text/chat_template.h"

namespace lieq::pipeline {

/// Tokens of a conversation where nothing else is asked for: a cache of the limit of some models would not fit into
/// memory.
inline constexpr std::size_t kDefaultContext = 8192;

class Conversation {
 public:
  /// context: tokens of prompts and answers together at most. bundle, chat_template and threads must outlive this.
  Conversation(const eval::Bundle& bundle, const text::ChatTemplate& chat_template, eval::GenerateOptions generate,
               std::size_t context, Threads& threads, kernels::Compute compute);

  /// Sets what the model is told first, "" for nothing, and the template's variables; forgets what was said.
  void start(const std::string& system, OrderedJson arguments);
  /// Forgets what was said, but not the system message and the variables of start().
  void clear();

  /// Answers `message`; `say` hears the text as it comes. Only what is new to the cache is computed. After an error the
  /// message is forgotten, and the conversation can go on. Every answer draws other random numbers.
  /// Errors: kInvalidArgument when the conversation fills the context; those of the template and of eval::generate.
  [[nodiscard]] Result<eval::Generation> answer(const std::string& message,
                                                const std::function<void(std::string_view)>& say);

 private:
  void add(const char* role, const std::string& content);
  [[nodiscard]] Result<eval::Generation> generate(const std::function<void(std::string_view)>& say);

  const eval::Bundle& bundle_;
  const text::ChatTemplate& template_;
  eval::GenerateOptions generate_;
  model::RunState state_;
  eval::Sequence sequence_;
  text::ChatRequest request_;
  std::string system_;
};

}  // namespace lieq::pipeline
