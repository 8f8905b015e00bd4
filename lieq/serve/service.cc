#include "lieq/serve/service.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/eval/generation_config.h"
#include "lieq/pipeline/sources.h"

namespace lieq::serve {
namespace {

constexpr std::size_t kDefaultContext = 8192;  // the limit of some models would not fit into memory

std::string name_of(const std::filesystem::path& path) {
  const std::filesystem::path plain = path.filename().empty() ? path.parent_path() : path;
  return plain.extension() == ".gguf" ? plain.stem().string() : plain.filename().string();
}

Result<std::size_t> context_of(const ServiceOptions& options, const model::Model& model) {
  const std::size_t most = model.config.max_position_embeddings;
  if (options.context == 0) return std::min(most, kDefaultContext);
  if (options.context <= most) return options.context;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("--ctx-size: found {}, expected at most max_position_embeddings = {} of {}", options.context,
                          most, model.path.string()));
}

Result<std::optional<text::ChatTemplate>> load_template(const std::filesystem::path& model, const std::string& choice,
                                                        Sink& sink) {
  auto loaded = text::ChatTemplate::load(model, choice);
  if (loaded) return std::optional(std::move(*loaded));
  if (!choice.empty() || loaded.error().code != ErrorCode::kNotFound) return Unexpected(std::move(loaded).error());
  sink.warn(loaded.error().message + "; until then chats are refused");
  return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<Service>> Service::load(const std::filesystem::path& model, const ServiceOptions& options,
                                               Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(eval::Bundle bundle, pipeline::load_bundle(model.string(), threads, sink, options.load));
  LIEQ_ASSIGN(const std::size_t context, context_of(options, bundle.model));
  LIEQ_ASSIGN(std::optional<text::ChatTemplate> chat_template,
              load_template(bundle.model.path, options.chat_template, sink));
  LIEQ_ASSIGN(const eval::GenerationConfig generation, eval::GenerationConfig::load(bundle.model.path));
  std::unique_ptr<Service> service(new Service(std::move(bundle), std::move(chat_template)));
  const auto& loaded = service->chat_template_;
  if (loaded) service->chat_capabilities_ = text::capabilities_of(*loaded);
  service->name_ = options.alias.empty() ? name_of(service->bundle_.model.path) : options.alias;
  service->served_ = {
      &service->bundle_,
      loaded ? &*loaded : nullptr,
      generation.sampling(),
      eval::stop_tokens(service->bundle_, loaded ? loaded->special_tokens().value("eos_token", "") : ""),
      context,
      [raw = service.get()](const std::string& key, grammar::Grammar grammar) {
        return raw->constrain(key, std::move(grammar));
      }};
  SchedulerOptions scheduling;
  scheduling.slots = options.slots;
  scheduling.queue = options.queue;
  scheduling.context = context;
  const std::size_t tokens = options.cache_tokens == 0 ? options.slots * context : options.cache_tokens;
  if (tokens < context)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--cache-tokens: found {}, expected at least the context of {}", tokens, context));
  scheduling.cache_pages = (tokens + kernels::kPageTokens - 1) / kernels::kPageTokens;
  service->scheduler_ =
      std::make_unique<Scheduler>(service->bundle_.model, threads, options.compute, std::move(scheduling));
  return service;
}

Service::~Service() { stop(); }

void Service::start() {
  LIEQ_CHECK(!thread_.joinable());
  thread_ = std::thread([this] {
    while (!stopping_)
      if (!scheduler_->step()) scheduler_->wait();
    scheduler_->cancel_all();
  });
}

void Service::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  scheduler_->wake();
  thread_.join();
}

std::unique_ptr<Answer> Service::answer(TextRequest request) {
  return Answer::start(std::move(request), served_, *scheduler_);
}

std::shared_ptr<const grammar::Constraint> Service::constrain(const std::string& key, grammar::Grammar grammar) {
  constexpr std::size_t kMostKept = 16;  // masks of many places may take some megabytes each
  const std::lock_guard lock(grammars_);
  const auto found = std::ranges::find(constraints_, key, &decltype(constraints_)::value_type::first);
  if (found != constraints_.end()) {
    constraints_.splice(constraints_.begin(), constraints_, found);
    return found->second;
  }
  if (!vocabulary_) {
    std::vector<std::string> bytes(bundle_.tokenizer.vocab_size());
    for (std::size_t id = 0; id < bytes.size(); ++id)
      bytes[id] = bundle_.tokenizer.token_bytes(static_cast<TokenId>(id));
    vocabulary_ = std::make_shared<const grammar::Vocabulary>(std::move(bytes), served_.stop_tokens);
  }
  constraints_.emplace_front(key, std::make_shared<const grammar::Constraint>(std::move(grammar), vocabulary_));
  if (constraints_.size() > kMostKept) constraints_.pop_back();
  return constraints_.front().second;
}

std::size_t Service::weight_bytes() const {
  model::Footprint all = model::linears_footprint(bundle_.model);
  all.add(model::embeddings_footprint(bundle_.model));
  return all.memory;
}

std::size_t Service::cache_bytes() const { return scheduler_->options().cache_pages * scheduler_->page_bytes(); }

}  // namespace lieq::serve
