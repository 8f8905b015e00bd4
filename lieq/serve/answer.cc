#include "lieq/serve/answer.h"

#include <utility>

#include "lieq/serve/stop_strings.h"
#include "lieq/text/stream_decoder.h"

namespace lieq::serve {

/// From tokens to text, on the scheduler's thread.
class Answer::Text : public Listener {
 public:
  Text(const TextRequest& request, const Served& served, std::size_t number, std::shared_ptr<Queue> queue,
       std::shared_ptr<TokenFilter> filter)
      : number_(number),
        chat_(request.route == Route::kChat),
        logprobs_(request.work.logprobs.has_value()),
        decoder_(served.bundle->tokenizer, request.keep_special ? text::SpecialText::kKeep : text::SpecialText::kSkip),
        stops_(request.stop),
        parser_(request.output),
        filter_(std::move(filter)),
        queue_(std::move(queue)) {
    pause_while_reasoning();
  }

  void on_prompt(std::vector<TokenNews> tokens) override {
    AnswerEvent event;
    event.text = number_;
    event.prompt = std::move(tokens);
    queue_->push(std::move(event));
  }

  bool on_token(const TokenNews& token) override {
    ++new_tokens_;
    if (logprobs_) tokens_.push_back(token);
    std::vector<OutputPart> parts;
    take(stops_.add(decoder_.add(token.token)), parts);
    pause_while_reasoning();
    if (stops_.stopped() || parser_.ended()) {
      parts_ = std::move(parts);  // on_end is called next
      return false;
    }
    if (!parts.empty() || !tokens_.empty()) send(std::move(parts), {});
    return true;
  }

  void on_end(const Ending& ending) override {
    std::vector<OutputPart> parts = std::move(parts_);
    if (!stops_.stopped()) {
      take(stops_.add(decoder_.finish()), parts);
      if (!stops_.stopped()) take(stops_.finish(), parts);
    }
    if (chat_)
      for (OutputPart& part : parser_.finish()) parts.push_back(std::move(part));
    send(std::move(parts), ending);
  }

 private:
  /// A grammar is about what is said, not about what is thought.
  void pause_while_reasoning() {
    if (filter_ && chat_) filter_->pause(parser_.in_reasoning());
  }

  void take(std::string text, std::vector<OutputPart>& parts) {
    if (text.empty()) return;
    if (!chat_) {
      parts.push_back({OutputPart::Kind::kContent, std::move(text), {}});
      return;
    }
    for (OutputPart& part : parser_.add(text)) parts.push_back(std::move(part));
  }

  void send(std::vector<OutputPart> parts, std::optional<Ending> ending) {
    AnswerEvent event;
    event.text = number_;
    event.parts = std::move(parts);
    event.tokens = std::exchange(tokens_, {});
    event.new_tokens = new_tokens_;
    event.stop = ending ? stops_.found() : "";
    event.ending = std::move(ending);
    queue_->push(std::move(event));
  }

  std::size_t number_, new_tokens_ = 0;
  bool chat_, logprobs_;
  text::StreamDecoder decoder_;
  StopStrings stops_;
  OutputParser parser_;
  std::vector<TokenNews> tokens_;
  std::vector<OutputPart> parts_;
  std::shared_ptr<TokenFilter> filter_;
  std::shared_ptr<Queue> queue_;
};

void Answer::Queue::push(AnswerEvent event) {
  {
    const std::lock_guard lock(mutex);
    events.push_back(std::move(event));
  }
  filled.notify_one();
}

std::unique_ptr<Answer> Answer::start(TextRequest request, const Served& served, Scheduler& scheduler) {
  std::unique_ptr<Answer> answer(new Answer(std::move(request)));
  const TextRequest& asked = answer->request_;
  std::vector<Scheduler::Submission> submissions;
  for (std::size_t number = 0; number < asked.texts(); ++number) {
    Work work = asked.work;
    work.prompt = asked.prompts[number / asked.choices];
    work.sampling.seed += number % asked.choices;
    if (asked.make_filter) work.filter = asked.make_filter();
    auto text = std::make_shared<Text>(asked, served, number, answer->queue_, work.filter);
    submissions.push_back({std::move(work), std::move(text)});
  }
  answer->tickets_ = scheduler.submit(std::move(submissions));
  return answer->tickets_.empty() ? nullptr : std::move(answer);
}

Answer::~Answer() { cancel(); }

void Answer::cancel() {
  if (done()) return;
  for (const auto& ticket : tickets_) ticket->cancel();
}

std::optional<AnswerEvent> Answer::next(std::chrono::milliseconds wait) {
  if (done()) return std::nullopt;
  std::unique_lock lock(queue_->mutex);
  queue_->filled.wait_for(lock, wait, [&] { return !queue_->events.empty(); });
  if (queue_->events.empty()) return std::nullopt;
  AnswerEvent event = std::move(queue_->events.front());
  queue_->events.pop_front();
  if (event.ending) ++ended_;
  return event;
}

}  // namespace lieq::serve
