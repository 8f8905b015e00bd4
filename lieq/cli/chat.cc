/// A conversation: from a terminal with a prompt, or from a pipe, where each line is a turn and only answers are
/// printed.

#include <unistd.h>

#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "lieq/base/utf8.h"
#include "lieq/cli/command.h"
#include "lieq/cli/output.h"
#include "lieq/cli/run_options.h"
#include "lieq/cli/sampling.h"
#include "lieq/eval/bundle.h"
#include "lieq/eval/generate.h"
#include "lieq/hub/pull.h"
#include "lieq/pipeline/conversation.h"
#include "lieq/terminal/console.h"
#include "lieq/terminal/interrupts.h"
#include "lieq/terminal/line_reader.h"
#include "lieq/text/chat_template.h"

namespace lieq::cli {
namespace chat_verb {

struct Options {
  std::string model, system, chat_template;
  PromptFlags prompt;
  SamplingFlags sampling;
  std::vector<std::string> template_arguments;
  int max_new_tokens = -1;
  std::size_t context = 0;
  model::LoadOptions load;
  std::string activations = "int8";
  bool ignore_eos = false, think = false, no_think = false;
};

using pipeline::kDefaultContext;

constexpr const char* kHelp =
    "/clear  forget the conversation      /exit  leave, as Ctrl-D does\n"
    "/help   this text                    Ctrl-C  stop the answer; at the prompt: leave\n"
    "A line that ends in \\ goes on in the next one.\n";

/// KEY=VALUE of --template-arg; a value that is no JSON is a string.
Result<OrderedJson> template_arguments(const Options& options) {
  OrderedJson all = OrderedJson::object();
  if (options.think || options.no_think) all["enable_thinking"] = options.think;
  for (const std::string& one : options.template_arguments) {
    const std::size_t equals = one.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorCode::kInvalidArgument, fmt::format("--template-arg: found '{}', expected KEY=VALUE", one));
    const std::string value = one.substr(equals + 1);
    OrderedJson parsed = OrderedJson::parse(value, nullptr, false);
    all[one.substr(0, equals)] = parsed.is_discarded() ? OrderedJson(repair_utf8(value).text) : std::move(parsed);
  }
  return all;
}

Result<std::size_t> context_size(const Options& options, const model::Model& model) {
  LIEQ_TRY(check_context(options.context, model));
  return options.context == 0 ? std::min(model.config.max_position_embeddings, kDefaultContext) : options.context;
}

/// The loop over turns.
class Dialogue {
 public:
  Dialogue(pipeline::Conversation& conversation, bool terminal, Sink& sink)
      : conversation_(conversation), terminal_(terminal), sink_(sink) {}

  Result<void> say(const std::string& message) {
    terminal::Interrupts::forget();
    auto answer = conversation_.answer(message, show);
    if (!answer) {
      // At a terminal the talk goes on; in a pipe nobody would notice a missing answer.
      if (!terminal_ || answer.error().code != ErrorCode::kInvalidArgument)
        return Unexpected(std::move(answer).error());
      fmt::print(stderr, "lieq: {}\n", answer.error().message);
      return {};
    }
    show("\n");
    speed_.add(*answer);
    if (answer->end == eval::EndReason::kContextFull)
      sink_.warn("the context is full and the answer cut short; /clear starts anew");
    if (terminal_) std::fputs("\n", stdout);
    return {};
  }

  Result<void> listen() {
    if (terminal_) fmt::print("Ctrl-C stops an answer, Ctrl-D leaves, /help says more.\n\n");
    while (true) {
      terminal::Interrupts::forget();
      ask("> ");
      const terminal::LineReader::Line line = reader_.read([&] { ask(". "); });
      if (line.end != terminal::LineReader::End::kLine || line.text == "/exit") break;
      if (line.text.empty()) continue;
      if (line.text == "/help") {
        fmt::print("{}", kHelp);
      } else if (line.text == "/clear") {
        conversation_.clear();
      } else {
        LIEQ_TRY(say(repair_utf8(line.text).text));
      }
    }
    if (terminal_) std::fputs("\n", stdout);
    return {};
  }

  [[nodiscard]] const Speed& speed() const { return speed_; }

 private:
  void ask(const char* prompt) const {
    if (terminal_) std::fputs(prompt, stdout);
    std::fflush(stdout);
  }
  pipeline::Conversation& conversation_;
  bool terminal_;
  Sink& sink_;
  terminal::LineReader reader_;
  Speed speed_;
};

Result<void> chat(const Options& options, const Common& common) {
  terminal::Console console;
  LIEQ_ASSIGN(OrderedJson arguments, template_arguments(options));
  LIEQ_ASSIGN(const std::filesystem::path model, hub::find_model(options.model, console));
  LIEQ_ASSIGN(const text::ChatTemplate chat_template, text::ChatTemplate::load(model, options.chat_template));
  LIEQ_ASSIGN(const eval::GenerationConfig config, eval::GenerationConfig::load(model));
  LIEQ_ASSIGN(const std::string first, options.prompt.read(console));
  if ((options.think || options.no_think) && !chat_template.mentions("enable_thinking"))
    console.warn("--think and --no-think: the chat template does not ask for enable_thinking, so they change nothing");
  eval::GenerateOptions generate;
  LIEQ_ASSIGN(generate.sampling, options.sampling.over(config.sampling()));
  terminal::Interrupts interrupts;
  Threads threads(common.threads);
  LIEQ_ASSIGN(const eval::Bundle bundle, eval::Bundle::load(model, threads, console, options.load));
  LIEQ_ASSIGN(const std::size_t context, context_size(options, bundle.model));
  generate.max_new_tokens = options.max_new_tokens < 0 ? context : static_cast<std::size_t>(options.max_new_tokens);
  generate.cancelled = terminal::Interrupts::pressed;
  if (!options.ignore_eos)
    generate.stop_tokens = eval::stop_tokens(bundle, chat_template.special_tokens().value("eos_token", ""));
  pipeline::Conversation conversation(bundle, chat_template, std::move(generate), context, threads,
                                      activations_of(options.activations));
  conversation.start(repair_utf8(options.system).text, std::move(arguments));
  interrupts.listen();
  const bool terminal = isatty(STDIN_FILENO) == 1;
  Dialogue dialogue(conversation, terminal, console);
  if (options.prompt.given()) LIEQ_TRY(dialogue.say(first));
  if (terminal || !options.prompt.given()) LIEQ_TRY(dialogue.listen());
  dialogue.speed().print();
  return {};
}

}  // namespace chat_verb

Run add_chat(OptionSet& app, const Common& common) {
  using namespace chat_verb;
  const auto options = std::make_shared<Options>();
  app.add("MODEL", options->model, kModelHelp).required();
  options->prompt.add_to(app, "The first message; without a terminal also the last");
  app.add("--system,--system-prompt", options->system, "What the model is told before the conversation (also -sys)");
  app.add("-n,--n-predict", options->max_new_tokens, "Tokens of an answer at most; -1: until the context is full")
      .show_default()
      .range(-1, 1 << 20);
  app.add("-c,--ctx-size", options->context,
          fmt::format("Tokens of the whole conversation at most (default: the model's limit or {}, whichever is less)",
                      kDefaultContext));
  options->sampling.add_to(
      app, "as the model's generation_config.json says, else 0.8 with top-k 40, top-p 0.95, min-p 0.05");
  add_embed_bits(app, options->load);
  add_activations(app, options->activations);
  app.add("--chat-template", options->chat_template,
          "Instead of the model's own: chatml, llama2, llama3 or a Jinja file");
  app.add("--template-arg", options->template_arguments,
          "KEY=VALUE, a variable for the template; the value is JSON or a text")
      .one_at_a_time();
  const Option& think = app.flag("--think", options->think, "Set enable_thinking to true for the template");
  app.flag("--no-think", options->no_think, "Set enable_thinking to false").excludes(think);
  app.flag("--ignore-eos", options->ignore_eos, "Go on after an end-of-turn token");
  return [options, &common] { return chat(*options, common); };
}

}  // namespace lieq::cli
