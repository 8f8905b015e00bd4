/// tokenizer.json of Hugging Face tokenizers, version 1.0.
///
/// Goals: BPE models with the components that Llama, Qwen, SmolLM and GPT-2 files have; what else stands in a file is
/// refused by name, because a component left out changes ids silently. Ids and merges are proven consistent.
/// Non-goals: other models (WordPiece, Unigram), dropout, subword prefixes and suffixes; truncation and padding, which
/// are left out as for one text alone.

#include <algorithm>

#include "lieq/base/message.h"
#include "lieq/io/mapped_file.h"
#include "lieq/text/folder_tokens.h"
#include "lieq/text/json_parts.h"
#include "lieq/text/gguf_to_json.h"
#include "lieq/text/json_reader.h"
#include "lieq/text/sentencepiece.h"

namespace lieq::text {
namespace {

/// The options of the model, and that there are no others.
Result<BpeSource> read_options(const Component& model, const Vocabulary& vocabulary) {
  LIEQ_TRY(model.only({"vocab", "merges", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                       "fuse_unk", "byte_fallback", "ignore_merges"}));
  LIEQ_ASSIGN(const auto dropout, model.fields().number("dropout"));
  if (dropout && *dropout != 0)
    return fail(ErrorCode::kUnsupported, model.place() + ": field 'dropout': only null or 0 is supported");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    LIEQ_ASSIGN(const auto affix, model.fields().string(key));
    if (affix && !affix->empty())
      return fail(ErrorCode::kUnsupported, model.place() + ": field " + in_quotes(key) + ": found " +
                                               in_quotes(*affix) + ", only null or \"\" is supported");
  }
  BpeSource source;
  LIEQ_ASSIGN(source.fuse_unk, model.flag("fuse_unk", false));
  LIEQ_ASSIGN(source.byte_fallback, model.flag("byte_fallback", false));
  LIEQ_ASSIGN(source.ignore_merges, model.flag("ignore_merges", false));
  LIEQ_ASSIGN(const auto unk, model.fields().string("unk_token"));
  if (unk) {
    const auto id = vocabulary.find(*unk);
    if (!id)
      return fail(ErrorCode::kInvalidFormat,
                  model.place() + ": field 'unk_token': " + in_quotes(*unk) + " is not in the vocabulary");
    source.unk = *id;
  }
  return source;
}

Result<void> read_merges(const TokenizerJson& json, const Vocabulary& vocabulary, const std::string& file,
                         BpeSource& source) {
  source.rules.reserve(json.merges.size());
  std::string product;
  for (std::size_t i = 0; i < json.merges.size(); ++i) {
    const auto& [left, right] = json.merges[i];
    const auto wrong = [&, &l = left, &r = right](const std::string& what) {
      return fail(ErrorCode::kInvalidFormat, file + ": field 'model.merges[" + std::to_string(i) + "]': " +
                                                 in_quotes(l) + " and " + in_quotes(r) + ": " + what);
    };
    if (left.empty() || right.empty()) return wrong("found an empty side, expected two tokens");
    product.assign(left).append(right);
    const auto left_id = vocabulary.find(left), right_id = vocabulary.find(right), id = vocabulary.find(product);
    if (!left_id) return wrong("the first is not in the vocabulary");
    if (!right_id) return wrong("the second is not in the vocabulary");
    if (!id) return wrong("the product is not in the vocabulary");
    source.rules.push_back({*left_id, *right_id, {static_cast<std::uint32_t>(i), *id}});
  }
  return {};
}

/// The model's tokens, and the added ones that are not among them. An added token that is must have the same id.
Result<std::vector<bool>> merge_vocabularies(TokenizerJson& json, const std::vector<AddedToken>& added,
                                             const std::string& file, Vocabulary& out) {
  const std::size_t of_model = json.vocab.size();
  std::vector<std::int64_t> model_ids;
  for (const auto& entry : json.vocab) model_ids.push_back(entry.id);
  {
    std::unordered_map<std::string_view, std::int64_t> ids;
    ids.reserve(of_model);
    for (const auto& entry : json.vocab) ids.emplace(entry.text, entry.id);
    std::vector<Vocabulary::Entry> fresh;
    for (const AddedToken& token : added) {
      const auto there = ids.find(token.content);
      if (there == ids.end()) {
        fresh.push_back({token.content, token.id});
      } else if (there->second != token.id) {
        return fail(ErrorCode::kInvalidFormat, file + ": field 'added_tokens': token " + in_quotes(token.content) +
                                                   " has id " + std::to_string(token.id) + ", and in model.vocab " +
                                                   std::to_string(there->second));
      }
    }
    ids.clear();  // its keys view json.vocab, which now moves
    std::move(fresh.begin(), fresh.end(), std::back_inserter(json.vocab));
  }
  LIEQ_ASSIGN(out, Vocabulary::build(std::move(json.vocab), file + ": fields 'model.vocab' and 'added_tokens'"));
  std::vector<bool> mergeable(out.size());
  for (const std::int64_t id : model_ids) mergeable[static_cast<std::size_t>(id)] = true;
  return mergeable;
}

/// Everything but the model is checked by its own reader; here what belongs to none.
Result<void> check_top(const Json& top, const std::string& file) {
  if (!top.is_object()) return fail(ErrorCode::kInvalidFormat, file + ": found " + brief(top) + ", expected an object");
  for (const auto& [key, _] : top.items()) {
    // Truncation and padding are for batches of texts; encoding a text heeds neither.
    constexpr std::string_view kKnown[] = {"version",        "truncation", "padding", "added_tokens", "normalizer",
                                           "pre_tokenizer",  "post_processor", "decoder", "model"};
    if (std::find(std::begin(kKnown), std::end(kKnown), key) == std::end(kKnown))
      return fail(ErrorCode::kUnsupported, file + ": field " + in_quotes(key) + " is not supported");
  }
  LIEQ_ASSIGN(const auto version, Fields(top, file).string("version"));
  if (version && *version != "1.0")
    return fail(ErrorCode::kUnsupported,
                file + ": field 'version': found " + in_quotes(*version) + ", expected '1.0'");
  return {};
}

Unexpected lacks(const Component& model, std::string_view key, const std::string& expected) {
  const Json* found = model.fields().find(key);
  return fail(ErrorCode::kInvalidFormat, model.place() + ": field " + in_quotes(key) + ": " +
                                             (found == nullptr ? "missing" : "found " + brief(*found)) + ", expected " +
                                             expected);
}

/// Those of the file itself, and `more` from the files beside it.
Result<std::vector<AddedToken>> all_added_tokens(const TokenizerJson& json, const Json* listed,
                                                 const std::vector<FolderToken>& more, const std::string& file,
                                                 std::vector<std::string>& warnings) {
  LIEQ_ASSIGN(auto added, read_added_tokens(listed, file));
  if (more.empty()) return added;
  std::unordered_map<std::string_view, std::int64_t> ids;
  ids.reserve(json.vocab.size());
  for (const auto& entry : json.vocab) ids.emplace(entry.text, entry.id);
  const auto id_in_model = [&](const std::string& text) -> std::optional<TokenId> {
    const auto found = ids.find(text);
    if (found == ids.end()) return std::nullopt;
    return static_cast<TokenId>(found->second);
  };
  warnings = add_folder_tokens(more, json.vocab.size(), id_in_model, file, added);
  return added;
}

Result<std::unique_ptr<Tokenizer::Impl>> assemble(TokenizerJson& json, const std::string& file,
                                                  const std::vector<FolderToken>& more) {
  LIEQ_TRY(check_top(json.rest, file));
  const Fields top(json.rest, file);
  // Old files do not name the type of a model with merges, which is BPE.
  if (json.has_vocab && json.has_merges && !json.rest["model"].contains("type")) json.rest["model"]["type"] = "BPE";
  const Json* model_json = top.find("model");
  if (model_json == nullptr)
    return fail(ErrorCode::kInvalidFormat, file + ": field 'model': missing, expected an object");
  LIEQ_ASSIGN(const Component model, Component::open(*model_json, file + ": model"));
  if (model.type() != "BPE") return model.unsupported("BPE");
  if (!json.has_vocab) return lacks(model, "vocab", "an object of ids");
  if (!json.has_merges) return lacks(model, "merges", "a list");
  if (!json.fault.empty()) return fail(ErrorCode::kInvalidFormat, file + ": " + json.fault);

  auto impl = std::make_unique<Tokenizer::Impl>();
  LIEQ_ASSIGN(auto added, all_added_tokens(json, top.find("added_tokens"), more, file, impl->warnings));
  LIEQ_ASSIGN(auto mergeable, merge_vocabularies(json, added, file, impl->vocabulary));
  LIEQ_ASSIGN(BpeSource source, read_options(model, impl->vocabulary));
  source.mergeable = std::move(mergeable);
  LIEQ_TRY(read_merges(json, impl->vocabulary, file, source));

  LIEQ_ASSIGN(impl->normalizer, read_normalizer(top.find("normalizer"), file));
  LIEQ_ASSIGN(impl->pre_tokenizer, read_pre_tokenizer(top.find("pre_tokenizer"), file));
  source.byte_level = impl->pre_tokenizer.byte_level;
  if (source.byte_level && source.byte_fallback)
    return fail(ErrorCode::kUnsupported, file + ": field 'model.byte_fallback': true with ByteLevel is not supported");
  LIEQ_ASSIGN(impl->bpe, build_bpe(source, impl->vocabulary, file + ": field 'model.merges'"));
  impl->added = AddedTokens(std::move(added), impl->normalizer);
  LIEQ_ASSIGN(impl->decoder, read_decoder(top.find("decoder"), file));
  LIEQ_ASSIGN(Template around, read_post_processor(top.find("post_processor"), impl->vocabulary, file));
  impl->before = std::move(around.before);
  impl->after = std::move(around.after);
  impl->kind = source.byte_level ? "byte-level BPE (" + impl->pre_tokenizer.name + ")"
               : source.byte_fallback ? "SentencePiece BPE" : "BPE (" + impl->pre_tokenizer.name + ")";
  finish(*impl);
  return impl;
}

}  // namespace

Result<Tokenizer> Tokenizer::from_json_text(std::string_view text, const std::string& place) {
  LIEQ_ASSIGN(TokenizerJson json, read_tokenizer_json(text, place));
  LIEQ_ASSIGN(auto impl, assemble(json, place, {}));
  return Tokenizer(std::move(impl));
}

/// What tokenizer_config.json says of the tokens around a text.
static Result<void> read_around(const std::filesystem::path& folder, io::Gguf& gguf) {
  const std::filesystem::path file = folder / "tokenizer_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return {};
  LIEQ_ASSIGN(const Json config, read_json(file));
  for (const char* key : {"add_bos_token", "add_eos_token"}) {
    LIEQ_ASSIGN(const auto wanted, Fields(config, file.string()).boolean(key));
    if (wanted) gguf.metadata[std::string("tokenizer.ggml.") + key] = *wanted;
  }
  return {};
}

Result<Tokenizer> Tokenizer::from_sentencepiece_file(const std::filesystem::path& file) {
  LIEQ_ASSIGN(const io::MappedFile mapped, io::MappedFile::open(file));
  LIEQ_ASSIGN(io::Gguf gguf, gguf_from_sentencepiece(mapped.bytes(), file.string()));
  LIEQ_TRY(read_around(file.parent_path(), gguf));
  LIEQ_ASSIGN(const TokenizerFiles files, tokenizer_files_from_gguf(gguf));
  LIEQ_ASSIGN(TokenizerJson json, read_tokenizer_json(files.tokenizer_json, file.string()));
  LIEQ_ASSIGN(const auto more, read_folder_tokens(file.parent_path()));
  LIEQ_ASSIGN(auto impl, assemble(json, file.string(), more));
  return Tokenizer(std::move(impl));
}

Result<Tokenizer> Tokenizer::from_json_file(const std::filesystem::path& file) {
  LIEQ_ASSIGN(const io::MappedFile mapped, io::MappedFile::open(file));
  const auto bytes = mapped.bytes();
  LIEQ_ASSIGN(TokenizerJson json,
              read_tokenizer_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file.string()));
  LIEQ_ASSIGN(const auto more, read_folder_tokens(file.parent_path()));
  LIEQ_ASSIGN(auto impl, assemble(json, file.string(), more));
  return Tokenizer(std::move(impl));
}

}  // namespace lieq::text
