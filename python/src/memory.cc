/// A model of tensors that another library holds in memory.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include "json.h"
#include "loaded_model.h"
#include "work.h"

namespace lieq::python {
namespace {

using Array = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

/// Keeps the arrays, and with them their owners; may go without the GIL.
std::shared_ptr<std::vector<Array>> kept_arrays() {
  return {new std::vector<Array>, [](std::vector<Array>* arrays) {
            const nb::gil_scoped_acquire acquired;
            delete arrays;
          }};
}

DType type_of(const Array& array, const std::string& name) {
  const nb::dlpack::dtype type = array.dtype();
  if (type.lanes == 1 && type.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Bfloat)) return DType::kBF16;
  if (type.lanes == 1 && type.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float)) {
    if (type.bits == 32) return DType::kF32;
    if (type.bits == 16) return DType::kF16;
  }
  refuse(fmt::format("tensor '{}': found elements of {} bits, expected float32, float16 or bfloat16", name, type.bits));
}

io::TensorSet tensors_of(const std::string& place, const nb::dict& given) {
  io::TensorSet tensors;
  const auto arrays = kept_arrays();
  for (const auto& [key, value] : given) {
    const auto name = nb::cast<std::string>(key);
    Array array;
    if (!nb::try_cast(value, array))
      throw nb::type_error(fmt::format("tensor '{}': expected an array in memory of the CPU", name).c_str());
    io::Tensor tensor{.name = name, .type = type_of(array, name), .shape = {}, .data = {}, .file = place};
    for (std::size_t d = 0; d < array.ndim(); ++d) tensor.shape.push_back(array.shape(d));
    tensor.data = {static_cast<const std::byte*>(array.data()), array.nbytes()};
    value_of(tensors.add(std::move(tensor)));
    arrays->push_back(std::move(array));
  }
  tensors.keep(arrays);
  return tensors;
}

std::shared_ptr<LoadedModel> from_tensors(const std::string& name, nb::handle config, const nb::dict& tensors,
                                          const std::string& tokenizer, std::optional<std::string> chat_template,
                                          nb::handle special_tokens) {
  const Json settings = from_python(config);
  io::TensorSet set = tensors_of(name, tensors);
  std::optional<text::ChatTemplate> templ;
  if (chat_template)
    templ = value_of(text::ChatTemplate::from_text(std::move(*chat_template), from_python(special_tokens),
                                                   name + ": chat_template"));
  return run(nb::bool_(false), [&](Threads& threads, Sink& sink) -> Result<std::shared_ptr<LoadedModel>> {
    LIEQ_ASSIGN(model::Model model, model::Model::from_tensors(name, settings, std::move(set), threads, sink));
    LIEQ_ASSIGN(text::Tokenizer loaded, text::Tokenizer::from_json_text(tokenizer, name + ": tokenizer"));
    for (const std::string& line : loaded.warnings()) sink.warn(line);
    return std::shared_ptr<LoadedModel>(new LoadedModel{.name = name,
                                                        .bundle = {std::move(model), std::move(loaded)},
                                                        .in_memory = true,
                                                        .chat_template = std::move(templ)});
  });
}

}  // namespace

void define_memory(nb::module_& module) {
  module.def(
      "from_tensors", &from_tensors, nb::arg("name"), nb::kw_only(), nb::arg("config"), nb::arg("tensors"),
      nb::arg("tokenizer"), nb::arg("chat_template") = nb::none(), nb::arg("special_tokens") = nb::dict(),
      nb::sig("def from_tensors(name: str, *, config: dict[str, typing.Any], tensors: dict[str, typing.Any], "
              "tokenizer: str, chat_template: str | None = None, special_tokens: dict[str, str] = {}) -> Model"),
      "A model of dense arrays in memory: NumPy's, PyTorch's or others with DLPack, float32, float16 or bfloat16, "
      "C-contiguous. No file is written, and no matrix copied: they must not change while the model is used.\n\n"
      "name: for messages and records.\nconfig: what would be config.json.\ntensors: arrays by the names that "
      "Hugging Face's files have.\ntokenizer: the text of a tokenizer.json.\nchat_template: a Jinja template.\n"
      "special_tokens: those that it names, {'bos_token': '<s>'}.");
}

}  // namespace lieq::python
