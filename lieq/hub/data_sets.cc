#include "lieq/hub/data_sets.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/hub/client.h"
#include "lieq/hub/digest.h"
#include "lieq/hub/pull.h"
#include "lieq/hub/rows.h"
#include "lieq/hub/task_records.h"
#include "lieq/io/atomic_file.h"

namespace lieq::hub {
namespace {

namespace fs = std::filesystem;

/// A part of a data set: rows of the datasets server, or the lines of one file of the repository.
struct Source {
  const char* repository;
  const char* config;  ///< for rows
  const char* file;    ///< for lines; nullptr: rows
  const char* split;
  std::size_t rows;       ///< official size; 0: not known
  std::size_t limit = 0;  ///< only the first so many
};

struct DataSet {
  std::string name;
  std::string file;
  Form form;
  std::string task;  ///< what its records are called
  std::vector<Source> sources;
  std::string sha256 = "";  ///< published, of the whole file; empty: none
  std::string with = "";    ///< another data set that comes along
};

/// The GPTQ protocol reads the first 1100 documents of C4's first validation file.
constexpr std::size_t kC4Documents = 1100;

DataSet wikitext(const char* name, const char* file, const char* split, std::size_t rows, const char* sha256) {
  return {
      name,  file, Form::kWikiText, "wikitext2", {{"Salesforce/wikitext", "wikitext-2-raw-v1", nullptr, split, rows}},
      sha256};
}

DataSet ptb(const char* name, const char* file, const char* split, std::size_t rows, const char* sha256) {
  return {name,  file, Form::kPtb, "ptb", {{"ptb-text-only/ptb_text_only", "penn_treebank", nullptr, split, rows}},
          sha256};
}

DataSet documents(const char* name, Form form, std::vector<Source> sources) {
  return {name, fmt::format("{}.jsonl", name), form, name, std::move(sources)};
}

DataSet task(const char* name, const char* repository, const char* config, const char* split, std::size_t rows) {
  return documents(name, Form::kTask, {{repository, config, nullptr, split, rows}});
}

std::vector<DataSet> make_data_sets() {
  std::vector<DataSet> all = {
      wikitext("wikitext2", "wikitext2-test.txt", "test", 4358,
               "173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08"),
      wikitext("wikitext2-valid", "wikitext2-valid.txt", "validation", 3760,
               "4cd0f6876d07a413aa911261ff6d363c72d757d47f0fdd6015702014c89cb9c7"),
      wikitext("wikitext2-train", "wikitext2-train.txt", "train", 36718, ""),
      ptb("ptb", "ptb-test.txt", "test", 3761, "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"),
      ptb("ptb-valid", "ptb-valid.txt", "validation", 3370,
          "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
      documents("c4", Form::kC4,
                {{"allenai/c4", nullptr, "en/c4-validation.00000-of-00008.json.gz", "validation", 0, kC4Documents}}),
      // The first training file has 319 MB: its first documents come as rows.
      documents("c4-train", Form::kC4, {{"allenai/c4", "en", nullptr, "train", 0, kC4Documents}}),
      documents("dolly", Form::kDolly,
                {{"databricks/databricks-dolly-15k", nullptr, "databricks-dolly-15k.jsonl", "train", 15011}}),
      documents("hh-rlhf", Form::kDialogues,
                {{"Anthropic/hh-rlhf", nullptr, "harmless-base/test.jsonl.gz", "harmless-base", 2312},
                 {"Anthropic/hh-rlhf", nullptr, "helpful-base/test.jsonl.gz", "helpful-base", 0}}),
      task("piqa", "ybisk/piqa", "plain_text", "validation", 1838),
      task("arc_easy", "allenai/ai2_arc", "ARC-Easy", "test", 2376),
      task("arc_challenge", "allenai/ai2_arc", "ARC-Challenge", "test", 1172),
      task("boolq", "aps/super_glue", "boolq", "validation", 3270),
      task("hellaswag", "Rowan/hellaswag", "default", "validation", 10042),
      task("winogrande", "allenai/winogrande", "winogrande_xl", "validation", 1267),
      task("mmlu", "cais/mmlu", "all", "test", 14042),
      task("mmlu_dev", "cais/mmlu", "all", "dev", 285),
  };
  for (DataSet& data_set : all) {
    if (data_set.name == "mmlu") data_set.with = "mmlu_dev";
    if (data_set.name == "mmlu_dev") data_set.task = "mmlu";
  }
  return all;
}

const std::vector<DataSet>& data_sets() {
  static const std::vector<DataSet> all = make_data_sets();
  return all;
}

Result<const DataSet*> find(const std::string& name) {
  const auto& all = data_sets();
  const auto found = std::ranges::find(all, name, &DataSet::name);
  if (found != all.end()) return &*found;
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}: no such data set, expected one of: {}", in_quotes(name),
                                                       fmt::join(data_set_names(), ", ")));
}

/// Appends the lines of one source.
Result<void> append(const DataSet& data_set, const Source& source, Client& client, io::AtomicFile& target) {
  LineMaker maker(data_set.form, {data_set.task, source.split});
  std::size_t count = 0;
  const TakeRow take = [&](std::size_t index, const Json& row) -> Result<void> {
    LIEQ_ASSIGN(const std::string line, maker.line(index, row));
    ++count;
    return target.append(line);
  };
  if (!source.file) {
    LIEQ_TRY(each_row(client, {source.repository, source.config, source.split, source.rows, source.limit}, take));
  } else {
    const Repository repository{Kind::kDataset, source.repository, "main", ""};
    LIEQ_ASSIGN(const fs::path file, pull_file(repository, source.file, client.environment(), client.sink()));
    LIEQ_TRY(each_line(file, source.limit, take));
  }
  const std::size_t expected = source.limit > 0 ? source.limit : source.rows;
  if (count > 0 && (expected == 0 || count == expected)) return {};
  return fail(ErrorCode::kInvalidFormat,
              fmt::format("{} ({}): found {} records, expected {}", source.repository, source.split, count,
                          expected > 0 ? std::to_string(expected) : "some"));
}

Result<void> make(const DataSet& data_set, const fs::path& file, const Environment& environment, Sink& sink) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error)
    return fail(ErrorCode::kIo, fmt::format("{}: cannot be made: {}", file.parent_path().string(), error.message()));
  // A name of its own until the checksum is known; the second writer of two just repeats the work of the first.
  const fs::path unproven = file.string() + fmt::format(".unproven-{}", ::getpid());
  LIEQ_ASSIGN(io::AtomicFile target, io::AtomicFile::create(unproven));
  Client client(environment, sink);
  for (const Source& source : data_set.sources) LIEQ_TRY(append(data_set, source, client, target));
  LIEQ_TRY(std::move(target).commit());
  if (!data_set.sha256.empty()) {
    LIEQ_ASSIGN(const std::string found, digest(unproven, Checksum::kSha256));
    if (found != data_set.sha256) {
      fs::remove(unproven, error);
      return fail(ErrorCode::kInvalidFormat, fmt::format("{}: SHA-256: found {}, expected {}: not the published text",
                                                         data_set.name, found, data_set.sha256));
    }
  }
  fs::rename(unproven, file, error);
  if (error) return fail(ErrorCode::kIo, fmt::format("{}: cannot be written: {}", file.string(), error.message()));
  return {};
}

}  // namespace

std::vector<std::string> data_set_names() {
  std::vector<std::string> names;
  for (const DataSet& data_set : data_sets()) names.push_back(data_set.name);
  return names;
}

bool is_data_set(const std::string& name) { return find(name).has_value(); }

Result<fs::path> pull_data(const std::string& name, bool force, const Environment& environment, Sink& sink) {
  LIEQ_ASSIGN(const DataSet* data_set, find(name));
  const fs::path file = environment.data / data_set->file;
  std::error_code ignored;
  if (force || !fs::exists(file, ignored)) {
    if (environment.offline)
      return fail(ErrorCode::kNotFound,
                  fmt::format("{}: not in {}, and HF_HUB_OFFLINE forbids to fetch it (online: lieq pull --data {})",
                              name, environment.data.string(), name));
    LIEQ_TRY(make(*data_set, file, environment, sink));
  }
  if (!data_set->with.empty()) {
    LIEQ_ASSIGN(const fs::path other, pull_data(data_set->with, force, environment, sink));
  }
  return file;
}

Result<fs::path> find_data(const std::string& name, Sink& sink) {
  LIEQ_ASSIGN(const Environment environment, read_environment());
  return pull_data(name, false, environment, sink);
}

Result<fs::path> find_text(const std::string& argument, Sink& sink) {
  std::error_code ignored;
  if (fs::exists(argument, ignored) || !is_data_set(argument)) return argument;
  return find_data(argument, sink);
}

Result<bool> is_here(const std::string& name) {
  LIEQ_ASSIGN(const DataSet* data_set, find(name));
  LIEQ_ASSIGN(const fs::path folder, data_folder());
  std::error_code ignored;
  return fs::exists(folder / data_set->file, ignored);
}

}  // namespace lieq::hub
