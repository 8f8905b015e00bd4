#pragma once
/// One model after the other on the same questions and texts, compared with the original.

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/pipeline/evaluate.h"
#include "lieq/pipeline/task_runs.h"

namespace lieq::pipeline {

/// What the original answered: its record and, for paired comparisons, whether each question of each task was right.
struct Original {
  Json record;
  std::vector<eval::Answers> answers;  ///< `acc` only
};

/// {"record": ..., "answers": ["0110...", ...]}
[[nodiscard]] Json to_json(const Original& original);
/// Errors: kInvalidFormat naming `place` and the field.
[[nodiscard]] Result<Original> original_from_json(const Json& json, const std::string& place);

class SweepEvaluation {
 public:
  /// Reads questions and texts. options: --tasks, --text or both; kl: also score texts beside the original. `original`
  /// must outlive this. Errors: those of eval; kInvalidArgument with nothing to evaluate on.
  [[nodiscard]] static Result<SweepEvaluation> create(EvaluateOptions options, bool kl, const eval::Bundle& original,
                                                      const std::string& label, Sink& sink);

  [[nodiscard]] Result<Original> evaluate_original(Threads& threads, Sink& sink) const;
  /// The record of another model, with its differences to the original. Errors: those of eval.
  [[nodiscard]] Result<Json> evaluate(const eval::Bundle& bundle, const std::string& label, const Original& original,
                                      Threads& threads, Sink& sink) const;

  /// Everything that decides the numbers, one field an option.
  [[nodiscard]] const Json& fingerprint() const { return fingerprint_; }
  /// Tokens that one model is run over, about: contexts count once a question.
  [[nodiscard]] std::size_t tokens() const { return tokens_; }

 private:
  struct Text {
    std::string task;
    std::filesystem::path file;
    eval::TextOptions options;
  };
  SweepEvaluation(EvaluateOptions options, bool kl, const eval::Bundle& original, std::string label)
      : options_(std::move(options)), kl_(kl), original_(&original), label_(std::move(label)) {}
  [[nodiscard]] Result<void> find_texts(Sink& sink);
  [[nodiscard]] Result<void> describe(Sink& sink);
  [[nodiscard]] Result<Json> run(const eval::Bundle& bundle, const std::string& label, const Original* original,
                                 std::vector<eval::Answers>* answers, Threads& threads, Sink& sink) const;

  EvaluateOptions options_;
  bool kl_;
  const eval::Bundle* original_;
  std::string label_;
  Questions questions_;
  std::vector<Text> texts_;
  Json fingerprint_;
  std::size_t tokens_ = 0;
};

}  // namespace lieq::pipeline
