#pragma once
/// lieq.Model: a model in memory with its tokenizer, as Python holds it.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nanobind/nanobind.h>

#include "lieq/eval/bundle.h"
#include "lieq/eval/generate.h"
#include "lieq/eval/generation_config.h"
#include "lieq/text/chat_template.h"

namespace lieq::python {

namespace nb = nanobind;

struct LoadedModel {
  std::string name;  ///< as the user named it
  eval::Bundle bundle;
  bool in_memory = false;  ///< it came from no file
  std::optional<text::ChatTemplate> chat_template =
      {};  ///< of a model in memory; one of files is read when it is needed
  eval::GenerationConfig generation = {};
  /// Keys and values of the text that was written last: the next one that begins alike goes on from there.
  std::unique_ptr<eval::Sequence> spare = {};
};

/// Either a name (a path, or ORG/NAME on the hub) or a model that is loaded.
struct Source {
  std::string name;
  std::shared_ptr<LoadedModel> loaded;
};
/// Of a str, an os.PathLike or a lieq.Model. place: opens the message of a TypeError.
[[nodiscard]] Source source_of(nb::handle value, const char* place);

/// The name of a model that lies in files, for jobs that read them again. Raises UsageError for one in memory.
[[nodiscard]] std::string file_of(nb::handle model);

/// Reads its template unless that is there. Raises as ChatTemplate::load.
const text::ChatTemplate& chat_template_of(LoadedModel& model);

/// Token ids of a list, a NumPy array or a tensor. Raises UsageError for ids that the model lacks.
[[nodiscard]] std::vector<text::TokenId> ids_of(nb::handle value, const model::ModelConfig& config);
/// The same without a model: any ids.
[[nodiscard]] std::vector<text::TokenId> ids_of(nb::handle value);

inline constexpr const char* kModelType = "str | os.PathLike[str] | Model";

void define_tokenizer(nb::module_& module);
void define_model(nb::module_& module);
/// Further functions of lieq.Model.
void define_matrices(nb::class_<LoadedModel>& model);
void define_scores(nb::class_<LoadedModel>& model);
void define_streams(nb::module_& module, nb::class_<LoadedModel>& model);
void define_memory(nb::module_& module);
void define_jobs(nb::module_& module);
void define_quantize(nb::module_& module);
void define_evaluate(nb::module_& module);

}  // namespace lieq::python
