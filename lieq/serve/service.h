#pragma once
/// A loaded model with everything that answering for it takes, but no sockets: what a program embeds that wants the
/// server's batching for itself.

#include <atomic>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/eval/bundle.h"
#include "lieq/serve/answer.h"
#include "lieq/serve/request.h"
#include "lieq/serve/scheduler.h"
#include "lieq/text/chat_capabilities.h"
#include "lieq/text/chat_template.h"

namespace lieq::serve {

struct ServiceOptions {
  std::string alias;          ///< the model's name for clients; empty: that of its file or folder
  std::string chat_template;  ///< instead of the model's own (text::ChatTemplate::load)
  std::size_t context = 0;    ///< tokens of one text at most; 0: the model's limit, or 8192 where that is more
  std::size_t cache_tokens =
      0;  ///< tokens of all texts together, and of what is kept for later ones; 0: slots x context
  std::size_t slots = 4, queue = 64;
  kernels::Compute compute = kernels::Compute::kInt8;
  model::LoadOptions load;
};

class Service {
 public:
  /// Loads the model of a folder, a .gguf file or a repository on the hub. Errors: those of pipeline::load_bundle,
  /// ChatTemplate::load (but a model without a template is served, without chats) and GenerationConfig::load;
  /// kInvalidArgument when the context is beyond the model's.
  [[nodiscard]] static Result<std::unique_ptr<Service>> load(const std::filesystem::path& model,
                                                             const ServiceOptions& options, Threads& threads,
                                                             Sink& sink);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Starts a thread that runs the scheduler, the only one that may use the team of threads from now on.
  void start();
  /// Ends what is running and the thread.
  void stop();

  /// Null when the queue is full.
  [[nodiscard]] std::unique_ptr<Answer> answer(TextRequest request);

  [[nodiscard]] const Served& served() const { return served_; }
  [[nodiscard]] const eval::Bundle& bundle() const { return bundle_; }
  [[nodiscard]] const std::optional<text::ChatTemplate>& chat_template() const { return chat_template_; }
  /// Of that template; nothing is true where there is none.
  [[nodiscard]] const text::ChatCapabilities& chat_capabilities() const { return chat_capabilities_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Scheduler& scheduler() { return *scheduler_; }
  [[nodiscard]] const Scheduler& scheduler() const { return *scheduler_; }
  /// Bytes of weights in memory, and of keys and values when the cache is full.
  [[nodiscard]] std::size_t weight_bytes() const;
  [[nodiscard]] std::size_t cache_bytes() const;

 private:
  Service(eval::Bundle bundle, std::optional<text::ChatTemplate> chat_template)
      : bundle_(std::move(bundle)), chat_template_(std::move(chat_template)) {}

  [[nodiscard]] std::shared_ptr<const grammar::Constraint> constrain(const std::string& key, grammar::Grammar grammar);

  eval::Bundle bundle_;
  std::mutex grammars_;                                    // of the next two
  std::shared_ptr<const grammar::Vocabulary> vocabulary_;  // made when the first request with a grammar comes
  std::list<std::pair<std::string, std::shared_ptr<const grammar::Constraint>>> constraints_;  // the newest first
  std::optional<text::ChatTemplate> chat_template_;
  text::ChatCapabilities chat_capabilities_;
  std::string name_;
  Served served_;
  std::unique_ptr<Scheduler> scheduler_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace lieq::serve
