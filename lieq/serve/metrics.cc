#include "lieq/serve/metrics.h"

#include <fmt/format.h>

namespace lieq::serve {

std::string metrics_text(const Service& service) {
  const SchedulerState state = service.scheduler().state();
  std::string text;
  const auto add = [&](const char* name, const char* type, const char* help, double value) {
    text += fmt::format("# HELP lieq_{0} {1}\n# TYPE lieq_{0} {2}\nlieq_{0} {3}\n", name, help, type, value);
  };
  const auto count = [&](const char* name, const char* help, std::size_t value) {
    add(name, "counter", help, static_cast<double>(value));
  };
  const auto gauge = [&](const char* name, const char* help, std::size_t value) {
    add(name, "gauge", help, static_cast<double>(value));
  };
  count("texts_total", "Texts that were taken into the queue.", state.requests);
  count("refused_total", "Requests refused because the queue was full.", state.refused);
  count("cancelled_total", "Texts whose client went away, or that a shutdown ended.", state.cancelled);
  count("failed_total", "Texts that ended in an error.", state.failed);
  count("preempted_total", "Times a text gave up its cache to an older one.", state.preempted);
  count("steps_total", "Steps of the model.", state.steps);
  count("prompt_tokens_total", "Prompt tokens that were computed.", state.prompt_tokens);
  count("shared_tokens_total", "Prompt tokens taken over from other texts.", state.shared_tokens);
  count("generated_tokens_total", "New tokens.", state.new_tokens);
  add("prompt_seconds_total", "counter", "Time spent on prompts.", state.prompt_seconds);
  add("generation_seconds_total", "counter", "Time spent on new tokens.", state.decode_seconds);
  gauge("slots", "Texts that can run together.", state.slots);
  gauge("running", "Texts that run now.", state.running);
  gauge("waiting", "Texts that wait for a slot.", state.waiting);
  gauge("cache_bytes", "Memory for keys and values at most.", service.cache_bytes());
  gauge("cache_used_bytes", "Memory for keys and values in use, by running texts or kept for later ones.",
        state.used_pages * service.scheduler().page_bytes());
  return text;
}

}  // namespace lieq::serve
