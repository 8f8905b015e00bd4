/// Bodies of requests: what is refused names itself in one line, and what is taken can be run.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lieq/base/check.h"
#include "lieq/base/utf8.h"
#include "lieq/serve/request.h"

namespace {

using namespace lieq;

/// A tokenizer of the 256 bytes, and a model that has a vocabulary and nothing else.
const serve::Served& served() {
  static const eval::Bundle bundle = [] {
    OrderedJson vocabulary = OrderedJson::object();
    int next = 0, beyond = 256;
    for (int byte = 0; byte < 256; ++byte) {  // GPT-2's letters for bytes
      const bool plain = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      std::string letter;
      append_utf8(letter, static_cast<char32_t>(plain ? byte : beyond++));
      vocabulary[letter] = next++;
    }
    const OrderedJson json = {
        {"version", "1.0"},
        {"added_tokens", OrderedJson::array()},
        {"normalizer", nullptr},
        {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
        {"post_processor", nullptr},
        {"decoder", {{"type", "ByteLevel"}}},
        {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", OrderedJson::array()}}}};
    auto tokenizer = text::Tokenizer::from_json_text(json.dump(), "fuzz");
    LIEQ_CHECK(tokenizer.has_value());
    model::Model model;
    model.config.vocab_size = 256;
    return eval::Bundle{std::move(model), std::move(*tokenizer)};
  }();
  static const auto chat_template = text::ChatTemplate::load("/nowhere/model.gguf", "chatml");
  static const auto vocabulary = [] {
    std::vector<std::string> bytes;
    for (int id = 0; id < 256; ++id) bytes.push_back(bundle.tokenizer.token_bytes(id));
    return std::make_shared<const grammar::Vocabulary>(std::move(bytes), std::vector<serve::TokenId>{3});
  }();
  static const serve::Served all = [] {
    serve::Served served;
    served.bundle = &bundle;
    served.chat_template = chat_template ? &*chat_template : nullptr;
    served.stop_tokens = {3};
    served.context = 64;
    served.constrain = [](const std::string&, grammar::Grammar grammar) {
      return std::make_shared<const grammar::Constraint>(std::move(grammar), vocabulary);
    };
    return served;
  }();
  return all;
}

void check_error(const serve::ApiError& error) {
  LIEQ_CHECK(error.status >= 400 && error.status < 500 && !error.message.empty() && error.message.size() < 1000);
  LIEQ_CHECK(is_utf8(error.message) && error.message.find_first_of("\r\x1b") == std::string::npos);
  LIEQ_CHECK(!error.to_json().dump().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto body = serve::parse_body({reinterpret_cast<const char*>(data), size});
  if (!body) return check_error(body.error()), 0;
  for (const serve::Route route : {serve::Route::kChat, serve::Route::kCompletion, serve::Route::kLlamaCompletion}) {
    const auto request = serve::read_request(*body, route, served());
    if (!request) {
      check_error(request.error());
      continue;
    }
    LIEQ_CHECK(!request->prompts.empty() && request->choices >= 1 && request->texts() <= 128);
    for (const auto& prompt : request->prompts) {
      LIEQ_CHECK(!prompt.empty() && prompt.size() < 64);
      for (const auto id : prompt) LIEQ_CHECK(id >= 0 && id < 256);
    }
    LIEQ_CHECK(eval::check(request->work.sampling).has_value());
    for (const auto& [id, bias] : request->work.sampling.logit_bias) LIEQ_CHECK(id >= 0 && id < 256 && bias <= 1e6);
    for (const auto id : request->work.stop_tokens) LIEQ_CHECK(id >= 0 && id < 256);
    for (const std::string& stop : request->stop) LIEQ_CHECK(!stop.empty());
  }
  return 0;
}
