/// Model.generate and Model.chat.

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/unique_ptr.h>

#include "json.h"
#include "keywords.h"
#include "lieq/pipeline/conversation.h"
#include "options.h"
#include "stream.h"

namespace lieq::python {
namespace {

/// A str or a list of them.
void add_stop(Keywords& keywords, std::vector<std::string>& stops) {
  keywords.add_object("stop", "str | collections.abc.Sequence[str]", "end before one of these texts",
                      [&stops](nb::handle value) {
                        if (nb::isinstance<nb::str>(value)) {
                          stops = {nb::cast<std::string>(value)};
                        } else if (!nb::try_cast(value, stops)) {
                          throw nb::type_error("stop: expected a str or a sequence of them");
                        }
                      });
}

struct StreamArguments {
  StreamRequest request;
  std::optional<std::size_t> context;
  bool ignore_eos = false;
  Keywords keywords;

  void add_rest() {
    keywords.add("context", context,
                 "tokens of prompt and answer at most; None: as many as they need, or the model can");
    keywords.add("ignore_eos", ignore_eos, "go on after an end-of-text token");
    add_compute(keywords, request.compute);
    add_stop(keywords, request.stops);
  }

  /// How many tokens the sequence is to hold. Raises UsageError for more than the model can.
  void settle_context(const model::ModelConfig& config, std::size_t wanted) {
    const std::size_t limit = config.max_position_embeddings;
    if (context && (*context == 0 || *context > limit))
      refuse(fmt::format("context: found {}, expected 1 to max_position_embeddings = {}", *context, limit));
    request.context = context.value_or(std::min(wanted, limit));
  }
};

struct GenerateArguments : StreamArguments {
  GenerateArguments() {
    keywords.add("max_new_tokens", request.generate.max_new_tokens, "new tokens at most");
    add_sampling(keywords, request.generate.sampling);
    add_rest();
  }
};

std::unique_ptr<TextStream> generate(std::shared_ptr<LoadedModel> self, nb::object prompt, const nb::kwargs& given) {
  GenerateArguments arguments;
  arguments.keywords.read("generate", given);
  StreamRequest& request = arguments.request;
  const eval::Bundle& bundle = self->bundle;
  if (nb::isinstance<nb::str>(prompt)) {
    request.prompt = bundle.tokenizer.encode(nb::cast<std::string>(prompt), text::SpecialTokens::kAdd);
  } else {
    request.prompt = ids_of(prompt, bundle.model.config);
  }
  if (!arguments.ignore_eos) request.generate.stop_tokens = eval::stop_tokens(bundle, {});
  const std::size_t room = bundle.model.config.max_position_embeddings;
  arguments.settle_context(bundle.model.config,
                           request.prompt.size() + std::min(request.generate.max_new_tokens, room));
  return std::make_unique<TextStream>(std::move(self), std::move(request));
}

struct ChatArguments : StreamArguments {
  std::optional<std::size_t> max_new_tokens, top_k;
  std::optional<double> temperature, top_p, min_p, repeat_penalty;
  std::uint64_t seed = request.generate.sampling.seed;
  nb::object tools = nb::none(), variables = nb::none();

  ChatArguments() {
    keywords.add("max_new_tokens", max_new_tokens, "new tokens at most; None: until the context is full");
    const char* own = "; None: as the model's generation_config.json says";
    keywords.add("temperature", temperature, std::string("0: always the most likely token") + own);
    keywords.add("top_k", top_k, std::string("sample from the k most likely tokens") + own);
    keywords.add("top_p", top_p, std::string("sample from the fewest tokens whose probabilities reach this sum") + own);
    keywords.add("min_p", min_p,
                 std::string("sample from tokens at least this times as likely as the likeliest") + own);
    keywords.add("repeat_penalty", repeat_penalty, std::string("makes tokens seen lately less likely") + own);
    keywords.add("seed", seed, "same seed, same tokens");
    keywords.add_object("tools", "list[dict[str, typing.Any]]", "tools that the template describes",
                        [this](nb::handle value) { tools = nb::borrow(value); });
    keywords.add_object("template_variables", "dict[str, typing.Any]",
                        "further variables of the template, e.g. {'enable_thinking': False}",
                        [this](nb::handle value) { variables = nb::borrow(value); });
    add_rest();
  }

  void settle_sampling(const eval::GenerationConfig& config) {
    eval::SamplingOptions sampling = config.sampling();
    sampling.temperature = temperature.value_or(sampling.temperature);
    sampling.top_k = top_k.value_or(sampling.top_k);
    sampling.top_p = top_p.value_or(sampling.top_p);
    sampling.min_p = min_p.value_or(sampling.min_p);
    sampling.repeat_penalty = repeat_penalty.value_or(sampling.repeat_penalty);
    sampling.seed = seed;
    request.generate.sampling = sampling;
  }
};

std::unique_ptr<TextStream> chat(std::shared_ptr<LoadedModel> self, nb::object messages, const nb::kwargs& given) {
  ChatArguments arguments;
  arguments.keywords.read("chat", given);
  const text::ChatTemplate& chat_template = chat_template_of(*self);
  text::ChatRequest request;
  if (nb::isinstance<nb::str>(messages)) {
    request.messages.push_back({{"role", "user"}, {"content", nb::cast<std::string>(messages)}});
  } else {
    request.messages = from_python(messages);
  }
  request.tools = from_python(arguments.tools);
  if (!arguments.variables.is_none()) request.arguments = from_python(arguments.variables);
  StreamRequest& stream = arguments.request;
  const eval::Bundle& bundle = self->bundle;
  stream.prompt = bundle.tokenizer.encode(value_of(chat_template.render(request)), text::SpecialTokens::kNone);
  stream.decodes_prompt = false;
  arguments.settle_sampling(self->generation);
  arguments.settle_context(bundle.model.config, arguments.max_new_tokens
                                                    ? stream.prompt.size() + *arguments.max_new_tokens
                                                    : pipeline::kDefaultContext);
  stream.generate.max_new_tokens = arguments.max_new_tokens.value_or(stream.context);
  if (!arguments.ignore_eos)
    stream.generate.stop_tokens = eval::stop_tokens(bundle, chat_template.special_tokens().value("eos_token", ""));
  return std::make_unique<TextStream>(std::move(self), std::move(stream));
}

std::string next(TextStream& self) {
  std::optional<std::string> piece = self.next();
  if (!piece) throw nb::stop_iteration();
  return std::move(*piece);
}

std::string read(TextStream& self) {
  std::string rest;
  while (const auto piece = self.next()) rest += *piece;
  return rest;
}

}  // namespace

void define_streams(nb::module_& module, nb::class_<LoadedModel>& model) {
  nb::class_<TextStream>(module, "TextStream", "Text as a model writes it, piece by piece: an iterator of str.")
      .def(
          "__iter__", [](nb::handle self) { return self; }, nb::sig("def __iter__(self) -> TextStream"))
      .def("__next__", &next)
      .def("read", &read, "The rest as one text.")
      .def("close", &TextStream::close, "Ends it.")
      .def_prop_ro("text", &TextStream::text, "What was written so far.")
      .def_prop_ro("prompt_ids", &TextStream::prompt, "Token ids of the prompt.")
      .def_prop_ro(
          "token_ids", [](const TextStream& self) { return self.generation().tokens; },
          "Token ids written so far, without the one that ended it.")
      .def_prop_ro("end", &TextStream::end, nb::sig("def end(self) -> str | None"),
                   "Why it ended: 'length', 'stop' (a token or a text), 'context' (full) or 'cancelled'; None while it "
                   "goes on.")
      .def_prop_ro(
          "prompt_tokens", [](const TextStream& self) { return self.generation().prompt_tokens; },
          "Tokens of the prompt that had to be run: those the text before did not begin with.")
      .def_prop_ro(
          "prompt_seconds", [](const TextStream& self) { return self.generation().prompt_seconds; },
          "Seconds for the prompt.")
      .def_prop_ro(
          "decode_seconds", [](const TextStream& self) { return self.generation().decode_seconds; },
          "Seconds for the new tokens.");
  def_with_keywords<GenerateArguments>(model, "generate", "self, prompt: str | collections.abc.Iterable[int]",
                                       "TextStream",
                                       "Continues a text, or token ids: an iterator of pieces of text. What two "
                                       "prompts, one after the other, begin with "
                                       "is run once.",
                                       &generate, nb::arg("prompt"));
  def_with_keywords<ChatArguments>(
      model, "chat", "self, messages: str | collections.abc.Sequence[dict[str, typing.Any]]", "TextStream",
      "The answer to a conversation, [{'role': 'user', 'content': ...}, ...] or one message: an iterator of pieces of "
      "text. Of a conversation that goes on only what is new is run.",
      &chat, nb::arg("messages"));
}

}  // namespace lieq::python
