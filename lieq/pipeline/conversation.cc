#include "lieq/pipeline/conversation.h"

#include <utility>

#include <fmt/format.h>

#include "lieq/text/stream_decoder.h"

namespace lieq::pipeline {

Conversation::Conversation(const eval::Bundle& bundle, const text::ChatTemplate& chat_template,
                           eval::GenerateOptions generate, std::size_t context, Threads& threads,
                           kernels::Compute compute)
    : bundle_(bundle),
      template_(chat_template),
      generate_(std::move(generate)),
      state_(bundle.model, threads, compute),
      sequence_(bundle.model.config, context) {}

void Conversation::start(const std::string& system, OrderedJson arguments) {
  system_ = system;
  request_.arguments = std::move(arguments);
  clear();
}

void Conversation::clear() {
  request_.messages = OrderedJson::array();
  if (!system_.empty()) add("system", system_);
}

Result<eval::Generation> Conversation::answer(const std::string& message,
                                              const std::function<void(std::string_view)>& say) {
  add("user", message);
  auto generation = generate(say);
  if (!generation) request_.messages.erase(request_.messages.size() - 1);
  return generation;
}

void Conversation::add(const char* role, const std::string& content) {
  request_.messages.push_back({{"role", role}, {"content", content}});
}

Result<eval::Generation> Conversation::generate(const std::function<void(std::string_view)>& say) {
  LIEQ_ASSIGN(const std::string prompt, template_.render(request_));
  const auto ids = bundle_.tokenizer.encode(prompt, text::SpecialTokens::kNone);
  const std::size_t context = sequence_.cache.capacity();
  if (ids.size() >= context)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format(
            "the conversation takes {} tokens, expected fewer than the context of {}; start anew with /clear, or "
            "give a larger --ctx-size (the model's limit is {})",
            ids.size(), context, bundle_.model.config.max_position_embeddings));
  text::StreamDecoder decoder(bundle_.tokenizer);
  std::string said;
  const auto hear = [&](const std::string& text) {
    said += text;
    say(text);
  };
  LIEQ_ASSIGN(eval::Generation generation,
              eval::generate(bundle_.model, ids, generate_, state_, sequence_, [&](text::TokenId id) {
                hear(decoder.add(id));
                return true;
              }));
  hear(decoder.finish());
  ++generate_.sampling.seed;  // or every answer would draw the same numbers
  add("assistant", said);
  return generation;
}

}  // namespace lieq::pipeline
