#pragma once
/// The texts of one request on their way from the scheduler to the client.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "lieq/serve/request.h"
#include "lieq/serve/scheduler.h"

namespace lieq::serve {

/// Something new about one of the texts.
struct AnswerEvent {
  std::size_t text = 0;           ///< its number: prompts one after the other, their choices together
  std::vector<OutputPart> parts;  ///< of a chat; else one of kContent, or none
  std::vector<TokenNews> tokens;  ///< with log-probabilities, where they were asked for
  std::vector<TokenNews> prompt;  ///< the same of the prompt; comes first, and once
  std::size_t new_tokens = 0;     ///< of the text so far, those of parts still held back among them
  std::optional<Ending> ending;   ///< comes last
  std::string stop;               ///< with the ending: the string that ended the text
};

/// Filled by the scheduler's thread, emptied by another. Destroying it cancels what has not ended.
class Answer {
 public:
  /// Null when the queue has no room. `served` and `scheduler` outlive it.
  [[nodiscard]] static std::unique_ptr<Answer> start(TextRequest request, const Served& served, Scheduler& scheduler);
  ~Answer();
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  /// The next event; nothing when none comes in `wait`, or all texts have ended.
  [[nodiscard]] std::optional<AnswerEvent> next(std::chrono::milliseconds wait);
  /// All texts have ended, and next() has told so.
  [[nodiscard]] bool done() const { return ended_ == request_.texts(); }
  void cancel();
  [[nodiscard]] const TextRequest& request() const { return request_; }

 private:
  class Text;
  struct Queue {
    std::mutex mutex;
    std::condition_variable filled;
    std::deque<AnswerEvent> events;
    void push(AnswerEvent event);
  };
  Answer(TextRequest request) : request_(std::move(request)) {}

  TextRequest request_;
  std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
  std::vector<std::shared_ptr<Ticket>> tickets_;
  std::size_t ended_ = 0;
};

}  // namespace lieq::serve
