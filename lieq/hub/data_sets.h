#pragma once
/// Texts and tasks that evaluation is done with, fetched from the hub and kept in one format.
///
/// They lie in data_folder() (environment.h), one file each:
/// - texts, byte for byte the published ones: wikitext2-{test,valid,train}.txt, ptb-{test,valid}.txt;
/// - documents, one JSON object a line: c4.jsonl, c4-train.jsonl (`text`), dolly.jsonl, hh-rlhf.jsonl;
/// - tasks, one JSON object a line: `task`, `split`, `id`, `index` (position in the split), `num_choices`, `gold`
/// (index of
///   the right answer) and `doc` (the record as on the hub): piqa, arc_easy, arc_challenge, boolq, hellaswag,
///   winogrande, mmlu, mmlu_dev (.jsonl).

#include <filesystem>
#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/hub/environment.h"

namespace lieq::hub {

/// "wikitext2", "piqa", ...: what `lieq pull --data` and data_file() accept.
[[nodiscard]] std::vector<std::string> data_set_names();

[[nodiscard]] bool is_data_set(const std::string& name);

/// Fetches a data set unless it is there (or `force`) and returns its file. With `mmlu` comes mmlu_dev. The number of
/// records is checked against the official size, the published texts against their SHA-256. Nothing half-made is left.
/// Cost: a request for every 100 rows; c4 and hh-rlhf fetch compressed files of 40 and 2 MB.
/// Errors: kInvalidArgument (no such name), kIo, kInvalidFormat; offline kNotFound.
[[nodiscard]] Result<std::filesystem::path> pull_data(const std::string& name, bool force,
                                                      const Environment& environment, Sink& sink);

/// The same under the process's environment, without `force`. Errors: also those of read_environment().
[[nodiscard]] Result<std::filesystem::path> find_data(const std::string& name, Sink& sink);

/// What a TEXT argument means: an existing file is itself; the name of a data set is its file (find_data); anything
/// else is returned as it is, for the reader to refuse.
[[nodiscard]] Result<std::filesystem::path> find_text(const std::string& argument, Sink& sink);

/// Whether a data set has been fetched. No network. Errors: kInvalidArgument (no such name; no home folder).
[[nodiscard]] Result<bool> is_here(const std::string& name);

}  // namespace lieq::hub
