#include "lieq/hub/select.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "lieq/base/message.h"

namespace lieq::hub {
namespace {

bool matches(const std::vector<std::string>& patterns, const std::string& file) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    // "folder/" means what is in it.
    return ::fnmatch((pattern.ends_with('/') ? pattern + "*" : pattern).c_str(), file.c_str(), 0) == 0;
  });
}

bool is_part_of_model(const std::string& file) {
  return file == "model.safetensors" || file == "model.safetensors.index.json" ||
         (file.starts_with("model-") && file.ends_with(".safetensors"));
}

/// Configuration, tokenizer, chat template, licence.
bool is_small_file(const std::string& file) {
  if (file.find('/') != std::string::npos) return false;
  for (const char* name : {"LICENSE", "LICENCE", "NOTICE", "USE_POLICY"})
    if (file.starts_with(name)) return true;
  if (file.ends_with(".index.json")) return false;  // of weights in other formats
  for (const char* ending : {".json", ".jinja", ".model", ".txt"})
    if (file.ends_with(ending)) return true;
  return false;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// "a/b-Q4_K_M-00001-of-00002.gguf" to "a/b-Q4_K_M": what all parts of a model share.
std::string stem_of(const std::string& file) {
  constexpr std::size_t kEnding = 5, kNumbers = 15;  // ".gguf", "-00001-of-00002"
  std::string stem = file.substr(0, file.size() - kEnding);
  if (stem.size() > kNumbers &&
      ::fnmatch("*-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9]", stem.c_str(), 0) == 0)
    stem.erase(stem.size() - kNumbers);
  return stem;
}

/// GGUF models by stem, each with its parts in order. Image encoders and calibration statistics are no models.
std::map<std::string, std::vector<std::string>> gguf_models(const std::vector<std::string>& files) {
  std::map<std::string, std::vector<std::string>> models;
  for (const std::string& file : files) {
    const std::string name = lower(file.substr(file.rfind('/') + 1));
    if (name.ends_with(".gguf") && !name.starts_with("mmproj") && name.find("imatrix") == std::string::npos)
      models[stem_of(file)].push_back(file);
  }
  for (auto& [stem, parts] : models) std::ranges::sort(parts);
  return models;
}

/// True if `quant` stands in `stem` as a word: "Q4_K" is no part of "Q4_K_M".
bool has_word(const std::string& stem, const std::string& quant) {
  const std::string text = lower(stem), word = lower(quant);
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const char before = at == 0 ? '-' : text[at - 1];
    const char after = at + word.size() == text.size() ? '-' : text[at + word.size()];
    if (!std::isalnum(static_cast<unsigned char>(before)) && !std::isalnum(static_cast<unsigned char>(after)) &&
        after != '_')
      return true;
  }
  return false;
}

Result<Choice> choose_gguf(const Listing& listing, const Repository& repository) {
  if (const auto exact = std::ranges::find(listing.files, repository.pick);
      exact != listing.files.end() && !repository.pick.ends_with(".gguf"))
    return Choice{{*exact}, *exact};
  const std::string wanted = repository.pick.empty() ? "Q4_K_M" : repository.pick;
  const auto models = gguf_models(listing.files);
  std::vector<const std::vector<std::string>*> found;
  std::vector<std::string> stems;
  for (const auto& [stem, parts] : models) {
    stems.push_back(printable(stem));
    const bool named = std::ranges::find(parts, wanted) != parts.end() || stem == wanted;
    if (named || (!wanted.ends_with(".gguf") && has_word(stem, wanted))) found.push_back(&parts);
  }
  if (repository.pick.empty() && models.size() == 1) found = {&models.begin()->second};
  if (found.empty())
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: found no GGUF model {}, expected one of: {}", repository.id, in_quotes(wanted),
                            stems.empty() ? "(there is none)" : fmt::format("{}", fmt::join(stems, ", "))));
  if (found.size() > 1)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: {} GGUF models fit {}, expected the name of one file: {}", repository.id, found.size(),
                            in_quotes(wanted), fmt::join(stems, ", ")));
  return Choice{*found.front(), found.front()->front()};
}

Result<Choice> choose_folder(const Listing& listing, const Repository& repository) {
  const auto has = [&](const char* ending) {
    return std::ranges::any_of(listing.files, [&](const std::string& file) { return file.ends_with(ending); });
  };
  Choice choice;
  if (std::ranges::any_of(listing.files, is_part_of_model)) {
    std::ranges::copy_if(listing.files, std::back_inserter(choice.files),
                         [](const std::string& file) { return is_part_of_model(file) || is_small_file(file); });
    return choice;
  }
  if (has(".gguf")) return choose_gguf(listing, repository);
  if (has(".bin") || has(".pth") || has(".pt"))
    return fail(
        ErrorCode::kUnsupported,
        repository.id + ": found weights in .bin or .pth files only, expected model.safetensors or .gguf files");
  return fail(ErrorCode::kNotFound, repository.id +
                                        ": found neither model.safetensors nor .gguf files, expected a model "
                                        "(--include PATTERN fetches other files)");
}

}  // namespace

Result<Choice> choose(const Listing& listing, const Repository& repository, const Filter& filter) {
  Choice choice;
  if (!repository.pick.empty()) {
    LIEQ_ASSIGN(choice, choose_gguf(listing, repository));
  } else if (!filter.include.empty()) {
    std::ranges::copy_if(listing.files, std::back_inserter(choice.files),
                         [&](const std::string& file) { return matches(filter.include, file); });
  } else {
    LIEQ_ASSIGN(choice, choose_folder(listing, repository));
  }
  std::erase_if(choice.files, [&](const std::string& file) { return matches(filter.exclude, file); });
  if (choice.files.empty())
    return fail(ErrorCode::kNotFound, fmt::format("{}: none of its {} files fits --include and --exclude",
                                                  repository.id, listing.files.size()));
  return choice;
}

}  // namespace lieq::hub
