#include "stream.h"

#include <algorithm>
#include <utility>

#include "errors.h"

namespace lieq::python {

StopTexts::StopTexts(std::vector<std::string> stops) : stops_(std::move(stops)) { std::erase(stops_, std::string()); }

std::string StopTexts::add(const std::string& text) {
  held_ += text;
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  found_ = first != std::string::npos;
  std::size_t settled = found_ ? first : held_.size();
  for (const std::string& stop : stops_) {
    if (found_) break;
    for (std::size_t size = std::min(stop.size() - 1, held_.size()); size > 0; --size) {
      if (!held_.ends_with(std::string_view(stop).substr(0, size))) continue;
      settled = std::min(settled, held_.size() - size);
      break;
    }
  }
  std::string out = held_.substr(0, settled);
  held_.erase(0, settled);
  return out;
}

std::string StopTexts::finish() { return std::exchange(held_, {}); }

namespace {

/// The sequence of the text before, if it is long enough.
std::unique_ptr<eval::Sequence> sequence_for(LoadedModel& model, std::size_t context) {
  if (model.spare && model.spare->cache.capacity() >= context) return std::move(model.spare);
  model.spare.reset();  // its memory goes first
  return std::make_unique<eval::Sequence>(model.bundle.model.config, context);
}

}  // namespace

TextStream::TextStream(std::shared_ptr<LoadedModel> model, StreamRequest request)
    : model_(std::move(model)),
      team_(team()),
      sink_(nb::bool_(false)),
      prompt_(std::move(request.prompt)),
      state_(model_->bundle.model, team_->threads, request.compute),
      sequence_(sequence_for(*model_, request.context)),
      decoder_(model_->bundle.tokenizer),
      stops_(std::move(request.stops)) {
  request.generate.cancelled = [this] { return sink_.cancelled(); };
  stream_ = value_of(
      eval::TokenStream::start(model_->bundle.model, prompt_, std::move(request.generate), state_, *sequence_));
  if (request.decodes_prompt)
    for (const text::TokenId id : prompt_) (void)decoder_.add(id);
}

TextStream::~TextStream() { model_->spare = std::move(sequence_); }

std::optional<text::TokenId> TextStream::next_token() {
  auto token = [&] {
    const SignalStack stack;
    const nb::gil_scoped_release released;
    const std::lock_guard lock(team_->mutex);
    return stream_->next();
  }();
  sink_.rethrow();
  return value_of(std::move(token));
}

void TextStream::finish() {
  ended_ = true;
  stream_->cancel();  // nothing, where it has ended by itself
}

std::optional<std::string> TextStream::next() {
  std::string piece;
  while (piece.empty() && !ended_) {
    const std::optional<text::TokenId> token = next_token();
    piece = stops_.add(token ? decoder_.add(*token) : decoder_.finish());
    if (stops_.found()) {
      finish();
    } else if (!token) {
      piece += stops_.finish();
      finish();
    }
  }
  text_ += piece;
  return piece.empty() ? std::nullopt : std::optional(std::move(piece));
}

void TextStream::close() { finish(); }

const char* TextStream::end() const {
  if (!ended_) return nullptr;
  if (stops_.found()) return "stop";
  switch (stream_->generation().end) {
    case eval::EndReason::kLength: return "length";
    case eval::EndReason::kStopToken: return "stop";
    case eval::EndReason::kContextFull: return "context";
    case eval::EndReason::kCancelled: break;
  }
  return "cancelled";
}

}  // namespace lieq::python
