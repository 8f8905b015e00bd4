#include "lieq/text/chat_template.h"

#include <array>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/base/utf8.h"
#include "lieq/io/gguf.h"

namespace lieq::text {
namespace {

namespace fs = std::filesystem;

constexpr const char* kChatMl =
    "{%- for message in messages -%}\n"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}";

constexpr const char* kLlama3 =
    "{{- bos_token | default('<|begin_of_text|>') -}}\n"
    "{%- for message in messages -%}\n"
    "{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + message.content | trim + '<|eot_id|>' -}}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif -%}";

constexpr const char* kLlama2 =
    "{%- set ns = namespace(system='') -%}\n"
    "{%- for message in messages -%}\n"
    "{%- if message.role == 'system' -%}{%- set ns.system = '<<SYS>>\\n' + message.content + '\\n<</SYS>>\\n\\n' -%}\n"
    "{%- elif message.role == 'user' -%}\n"
    "{{- bos_token | default('<s>') + '[INST] ' + (ns.system + message.content) | trim + ' [/INST]' -}}{%- set "
    "ns.system = '' -%}\n"
    "{%- else -%}{{- ' ' + message.content | trim + ' ' + eos_token | default('</s>') -}}\n"
    "{%- endif -%}\n"
    "{%- endfor -%}";

constexpr std::array<std::pair<std::string_view, const char*>, 3> kBuiltIn = {
    {{"chatml", kChatMl}, {"llama2", kLlama2}, {"llama3", kLlama3}}};
constexpr const char* kBuiltInNames = "chatml, llama2, llama3";

/// A template and where it comes from.
struct Source {
  std::string text, place;
};
struct Sources {
  std::optional<Source> main, tool_use;
  OrderedJson special_tokens = OrderedJson::object();
};

Result<std::string> read_file(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  stream.peek();  // a folder opens like a file, and only reading fails
  if (stream.good()) text << stream.rdbuf();
  if (!stream.is_open() || stream.bad()) return fail(ErrorCode::kIo, file.string() + ": cannot be read");
  return repair_utf8(text.view()).text;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// Adds those of the named special tokens that are not there yet: a string, or an object whose content is one.
void add_special_tokens(const Json& config, OrderedJson& tokens) {
  for (const char* name :
       {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    const auto found = config.find(name);
    if (found == config.end() || tokens.contains(name)) continue;
    const Json& token = found->is_object() && found->contains("content") ? (*found)["content"] : *found;
    if (token.is_string()) tokens[name] = token.get<std::string>();
  }
}

/// `chat_template` of tokenizer_config.json.
Result<void> read_config_template(const Json& config, const std::string& file, Sources& sources) {
  const std::string place = file + ": chat_template";
  const Json* found = Fields(config, file).find("chat_template");
  if (!found) return {};
  if (found->is_string()) {
    sources.main = Source{found->get<std::string>(), place};
    return {};
  }
  if (!found->is_array())
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: found {}, expected a string or a list of names and templates", place, brief(*found)));
  std::string names;
  for (const Json& entry : *found) {
    const Fields fields(entry, place);
    LIEQ_ASSIGN(const auto name, fields.string("name"));
    LIEQ_ASSIGN(const auto text, fields.string("template"));
    if (!name || !text)
      return fail(ErrorCode::kInvalidFormat, place + ": found an entry without a name or template, expected both");
    if (*name == "default") sources.main = Source{*text, place};
    if (*name == "tool_use") sources.tool_use = Source{*text, place + " 'tool_use'"};
    names += (names.empty() ? "" : ", ") + printable(*name);
  }
  if (sources.main) return {};
  return fail(ErrorCode::kInvalidFormat,
              fmt::format("{}: found the templates {}, expected one named default", place, names));
}

Result<Sources> read_folder(const fs::path& folder) {
  Sources sources;
  const fs::path config_file = folder / "tokenizer_config.json", map_file = folder / "special_tokens_map.json";
  const fs::path own_file = folder / "chat_template.jinja";
  if (is_there(config_file)) {
    LIEQ_ASSIGN(const Json config, read_json(config_file));
    if (!config.is_object())
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: found {}, expected an object", config_file.string(), brief(config)));
    add_special_tokens(config, sources.special_tokens);
    if (!is_there(own_file)) LIEQ_TRY(read_config_template(config, config_file.string(), sources));
  }
  if (is_there(map_file)) {
    LIEQ_ASSIGN(const Json map, read_json(map_file));
    if (map.is_object()) add_special_tokens(map, sources.special_tokens);
  }
  if (is_there(own_file)) {
    LIEQ_ASSIGN(std::string text, read_file(own_file));
    sources.main = Source{std::move(text), own_file.string()};
  }
  const fs::path tool_file = folder / "additional_chat_templates" / "tool_use.jinja";
  if (is_there(tool_file)) {
    LIEQ_ASSIGN(std::string text, read_file(tool_file));
    sources.tool_use = Source{std::move(text), tool_file.string()};
  }
  return sources;
}

Result<Sources> read_gguf(const fs::path& file) {
  Sources sources;
  LIEQ_ASSIGN(const io::Gguf gguf, io::open_gguf(file));
  LIEQ_ASSIGN(const auto text, gguf.string("tokenizer.chat_template"));
  if (text) sources.main = Source{repair_utf8(*text).text, file.string() + ": tokenizer.chat_template"};
  LIEQ_ASSIGN(const auto* tokens, gguf.strings("tokenizer.ggml.tokens"));
  for (const auto& [name, key] :
       {std::pair{"bos_token", "bos"}, {"eos_token", "eos"}, {"unk_token", "unknown"}, {"pad_token", "padding"}}) {
    LIEQ_ASSIGN(const auto id, gguf.count(fmt::format("tokenizer.ggml.{}_token_id", key)));
    if (id && tokens && *id < tokens->size()) sources.special_tokens[name] = repair_utf8((*tokens)[*id]).text;
  }
  return sources;
}

Result<Source> chosen(const std::string& choice) {
  for (const auto& [name, text] : kBuiltIn)
    if (choice == name) return Source{text, fmt::format("built-in chat template '{}'", name)};
  if (!is_there(choice))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("chat template: found {}, expected a file or one of {}", in_quotes(choice), kBuiltInNames));
  LIEQ_ASSIGN(std::string text, read_file(choice));
  return Source{std::move(text), choice};
}

/// A message as templates expect it: without null fields, which clients send for "nothing" and templates would print,
/// and reasoning under its newest name; `thinking` stays readable for templates that ask for it.
OrderedJson normalized(const OrderedJson& original) {
  if (!original.is_object()) return original;
  OrderedJson message = OrderedJson::object();
  for (const auto& [key, value] : original.items())
    if (!value.is_null()) message[key] = value;
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    const auto found = message.find(name);
    if (found == message.end()) continue;
    OrderedJson renamed = message;
    if (!renamed.contains("thinking")) renamed["thinking"] = *found;
    renamed["reasoning_content"] = *found;
    return renamed;
  }
  return message;
}

}  // namespace

Result<ChatTemplate> ChatTemplate::load(const fs::path& model, const std::string& choice) {
  std::error_code ignored;
  const bool folder = fs::is_directory(model, ignored);
  auto sources =
      model.extension() == ".gguf" && !folder ? read_gguf(model) : read_folder(folder ? model : model.parent_path());
  if (!sources) return Unexpected(std::move(sources).error());
  if (!choice.empty()) {
    LIEQ_ASSIGN(sources->main, chosen(choice));
    sources->tool_use.reset();
  }
  if (!sources->main)
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: has no chat template; give one with --chat-template (a file, or one of {})",
                            model.string(), kBuiltInNames));
  LIEQ_ASSIGN(ChatTemplate loaded,
              from_text(std::move(sources->main->text), std::move(sources->special_tokens), sources->main->place));
  if (sources->tool_use) {
    LIEQ_ASSIGN(loaded.tool_use_, jinja::Template::parse(sources->tool_use->text, sources->tool_use->place));
  }
  return loaded;
}

Result<ChatTemplate> ChatTemplate::from_text(std::string source, OrderedJson special_tokens, const std::string& place) {
  LIEQ_ASSIGN(jinja::Template parsed, jinja::Template::parse(source, place));
  return ChatTemplate(std::move(source), std::move(parsed), std::move(special_tokens));
}

Result<std::string> ChatTemplate::render(const ChatRequest& request) const {
  OrderedJson variables = special_tokens_;
  if (request.arguments.is_object()) variables.update(request.arguments);
  variables["messages"] = OrderedJson::array();
  for (const OrderedJson& message : request.messages) variables["messages"].push_back(normalized(message));
  variables["tools"] = request.tools;
  variables["documents"] = request.documents;
  variables["add_generation_prompt"] = request.add_generation_prompt;
  return (tool_use_ && !request.tools.is_null() ? *tool_use_ : default_).render(variables);
}

}  // namespace lieq::text
