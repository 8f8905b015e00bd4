#include "lieq/hub/pull.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/hub/blob.h"
#include "lieq/hub/cache.h"
#include "lieq/hub/client.h"

namespace lieq::hub {
namespace {

namespace fs = std::filesystem;

/// Files that loaders look for and often miss. Markers for those save transformers the question.
constexpr const char* kOptional[] = {"added_tokens.json", "chat_template.jinja",          "generation_config.json",
                                     "model.safetensors", "model.safetensors.index.json", "special_tokens_map.json",
                                     "tokenizer.model",   "tokenizer_config.json"};

Pulled describe_cached(const RepoCache& cache, const Listing& listing, Choice choice) {
  Pulled pulled;
  pulled.snapshot = cache.snapshot(listing.commit);
  pulled.model = choice.model.empty() ? pulled.snapshot : pulled.snapshot / choice.model;
  pulled.files = std::move(choice.files);
  return pulled;
}

/// Reports the bytes of all files as one stage.
class Meter {
 public:
  Meter(Sink& sink, bool enabled, const std::string& id, std::uint64_t total)
      : sink_(sink),
        enabled_(enabled),
        unit_(total < 10'000'000 ? 1000 : 1'000'000),
        stage_(id + (unit_ == 1000 ? ", kB" : ", MB")),
        total_(total) {}

  /// `done`: bytes of the files before this one.
  void report(std::uint64_t done) {
    const std::size_t units = scaled(done);
    if (!enabled_ || units == last_) return;
    last_ = units;
    sink_.progress(stage_, units, scaled(total_));
  }

 private:
  [[nodiscard]] std::size_t scaled(std::uint64_t bytes) const {
    return static_cast<std::size_t>((bytes + unit_ - 1) / unit_);
  }

  Sink& sink_;
  bool enabled_;
  std::uint64_t unit_;
  std::string stage_;
  std::uint64_t total_;
  std::size_t last_ = 0;
};

Result<void> check_room(const RepoCache& cache, std::uint64_t needed) {
  std::error_code error;
  const fs::space_info space = fs::space(cache.blob("x").parent_path(), error);
  if (error || space.available >= needed) return {};
  return fail(ErrorCode::kIo,
              fmt::format("{}: {} MB free, expected {} MB for what is to be fetched (HF_HOME moves the cache)",
                          cache.blob("x").parent_path().string(), space.available / 1'000'000, needed / 1'000'000 + 1));
}

/// Asks about each missing file, then fetches them.
Result<void> fetch_missing(Client& client, const RepoCache& cache, const Repository& repository, bool force,
                           const Listing& listing, Pulled& pulled) {
  std::vector<RemoteFile> missing;
  std::uint64_t total = 0, present = 0;
  for (const std::string& file : pulled.files) {
    if (!force && cache.has(listing.commit, file)) continue;
    LIEQ_ASSIGN(RemoteFile remote, client.describe(repository, listing.commit, file));
    total += remote.size;
    present += force ? 0 : present_bytes(cache, remote);
    missing.push_back(std::move(remote));
  }
  if (missing.empty()) return {};
  LIEQ_TRY(cache.prepare());
  LIEQ_TRY(check_room(cache, total - std::min(present, total)));
  Meter meter(client.sink(), client.environment().progress, repository.id, total);
  std::uint64_t done = 0;
  for (const RemoteFile& file : missing) {
    LIEQ_TRY(fetch_blob(client, cache, repository, listing.commit, file, force,
                        [&](std::uint64_t bytes) { meter.report(done + bytes); }));
    LIEQ_TRY(cache.link(file.etag, listing.commit, file.name));
    done += file.size;
    meter.report(done);
  }
  pulled.fetched = missing.size();
  pulled.fetched_bytes = total - std::min(present, total);
  return {};
}

Result<Pulled> from_cache(const Repository& repository, const Filter& filter, const RepoCache& cache) {
  const auto listing = cache.cached(repository.revision);
  if (!listing)
    return fail(
        ErrorCode::kNotFound,
        fmt::format("{}: revision {} is not in the cache {}, and HF_HUB_OFFLINE forbids to fetch it", repository.id,
                    in_quotes(repository.revision), cache.snapshot("").parent_path().parent_path().string()));
  LIEQ_ASSIGN(Choice choice, choose(*listing, repository, filter));
  return describe_cached(cache, *listing, std::move(choice));
}

}  // namespace

Result<Pulled> pull(const Repository& repository, const PullOptions& options, const Environment& environment,
                    Sink& sink) {
  const RepoCache cache(environment.cache, repository);
  if (environment.offline) return from_cache(repository, options.filter, cache);
  Client client(environment, sink);
  LIEQ_ASSIGN(const Listing listing, client.list(repository, options.tries));
  auto choice = choose(listing, repository, options.filter);
  if (!choice) {
    if (repository.pick.ends_with(".gguf")) cache.mark_missing(listing.commit, repository.pick);
    return Unexpected(choice.error());
  }
  Pulled pulled = describe_cached(cache, listing, std::move(*choice));
  LIEQ_TRY(fetch_missing(client, cache, repository, options.force, listing, pulled));
  LIEQ_TRY(cache.write_ref(repository.revision, listing.commit));
  for (const char* name : kOptional)
    if (repository.kind == Kind::kModel && std::ranges::find(listing.files, name) == listing.files.end())
      cache.mark_missing(listing.commit, name);
  return pulled;
}

Result<fs::path> pull_file(const Repository& repository, const std::string& file, const Environment& environment,
                           Sink& sink) {
  Repository one = repository;
  one.pick = file;
  LIEQ_ASSIGN(const Pulled pulled, pull(one, {}, environment, sink));
  return pulled.model;
}

Result<fs::path> find_model(const std::string& argument, Sink& sink) {
  std::error_code ignored;
  if (fs::exists(argument, ignored)) return argument;
  const auto repository = parse_repository(argument);
  if (!repository) return argument;
  LIEQ_ASSIGN(const Environment environment, read_environment());
  const RepoCache cache(environment.cache, *repository);
  PullOptions options;
  auto cached = from_cache(*repository, {}, cache);
  if (cached) options.tries = 1;
  auto pulled = pull(*repository, options, environment, sink);
  if (pulled) return pulled->model;
  if (cached && pulled.error().code == ErrorCode::kIo) {
    sink.warn(pulled.error().message + "; using the copy in the cache");
    return cached->model;
  }
  return fail(pulled.error().code,
              pulled.error().message + fmt::format(" (no file or folder of the name {} either)", in_quotes(argument)));
}

}  // namespace lieq::hub
