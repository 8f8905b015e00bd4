#pragma once
/// The log of single questions that lm-evaluation-harness writes with --log_samples.

#include <filesystem>
#include <span>

#include "lieq/base/result.h"
#include "lieq/eval/choices.h"
#include "lieq/eval/tasks.h"

namespace lieq::pipeline {

/// One line a question: doc, target, arguments, resps, filtered_resps, their SHA-256, and its metrics. The hashes equal
/// the harness's where the record has the hub's columns. Errors: kIo.
[[nodiscard]] Result<void> write_samples(const std::filesystem::path& file, const eval::Task& task,
                                         std::span<const eval::Item> items, std::span<const eval::ItemScores> scores);

}  // namespace lieq::pipeline
