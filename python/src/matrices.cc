/// Weights of a model as NumPy arrays.

#include <string>
#include <utility>

#include <fmt/format.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "lieq/kernels/linear.h"
#include "lieq/model/tensor_table.h"
#include "lieq/save/linear_codes.h"
#include "loaded_model.h"
#include "work.h"

namespace lieq::python {
namespace {

std::string linear_name(std::size_t layer, model::LinearKind kind) {
  return fmt::format("model.layers.{}.{}", layer, model::name(kind));
}

std::vector<std::string> linears(const LoadedModel& self) {
  std::vector<std::string> names;
  for (std::size_t l = 0; l < self.bundle.model.layers.size(); ++l)
    for (const model::LinearKind kind : model::kLinearKinds) names.push_back(linear_name(l, kind));
  return names;
}

const pack::StoredMatrix& matrix_of(const LoadedModel& self, const std::string& name) {
  const model::Model& model = self.bundle.model;
  if (name == "model.embed_tokens") return model.embed_tokens;
  if (name == "lm_head") return model.lm_head;
  for (std::size_t l = 0; l < model.layers.size(); ++l)
    for (const model::LinearKind kind : model::kLinearKinds)
      if (name == linear_name(l, kind)) return model.layers[l].linear(kind).weight;
  refuse(fmt::format("name: found '{}', expected model.embed_tokens, lm_head or one of linears, such as {}", name,
                     linear_name(0, model::LinearKind::kQ)));
}

nb::object weight(const LoadedModel& self, const std::string& name) {
  const pack::StoredMatrix& matrix = matrix_of(self, name);
  auto values = run(nb::bool_(false), [&](Threads& threads, Sink&) -> Result<std::vector<float>> {
    std::vector<float> rows(matrix.rows * matrix.cols);
    threads.for_each(matrix.rows, [&](std::size_t i, std::size_t) {
      kernels::decode_row(matrix, i, rows.data() + i * matrix.cols);
    });
    return rows;
  });
  return array_of(std::move(values), {matrix.rows, matrix.cols});
}

nb::object codes(const LoadedModel& self, const std::string& name) {
  const pack::StoredMatrix& matrix = matrix_of(self, name);
  const auto facts = save::code_facts(matrix);
  if (!facts)
    raise({ErrorCode::kUnsupported,
           fmt::format("{}: {}: found {}, expected codes with a scale for each group; weight() decodes any matrix",
                       self.name, name, matrix.format())});
  auto made = run(nb::bool_(false), [&](Threads& threads, Sink&) -> Result<save::LinearCodes> {
    return save::codes_of(threads, matrix, 0, matrix.rows);
  });
  pack::QuantizedMatrix& q = made.matrix;
  const std::size_t groups = q.groups();
  nb::dict fields;
  fields["name"] = name;
  fields["bits"] = q.bits;
  fields["group_size"] = q.group_size;
  std::vector<float> zeros;
  for (const std::uint16_t doubled : q.double_zeros) zeros.push_back(0.5F * static_cast<float>(doubled));
  fields["codes"] = array_of(std::move(q.codes), {q.rows, q.cols});
  fields["scales"] = array_of(std::move(q.scales), {q.rows, groups}, kHalf);
  fields["zeros"] = zeros.empty() ? nb::none() : array_of(std::move(zeros), {q.rows, groups});
  fields["minima"] = made.minima.empty() ? nb::none() : array_of(std::move(made.minima), {q.rows, groups}, kHalf);
  fields["g_idx"] = q.g_idx.empty() ? nb::none() : array_of(std::move(q.g_idx), {q.cols});
  return nb::module_::import_("lieq.matrices").attr("QuantizedMatrix")(**fields);
}

}  // namespace

void define_matrices(nb::class_<LoadedModel>& model) {
  model
      .def_prop_ro("linears", &linears,
                   "Names of the layers' linears, as in Hugging Face's files: 'model.layers.0.self_attn.q_proj', ...")
      .def("weight", &weight, nb::arg("name"),
           nb::sig("def weight(self, name: str) -> numpy.typing.NDArray[numpy.float32]"),
           "A weight matrix, decoded: [out, in] float32. name: one of linears, 'model.embed_tokens' or 'lm_head'.")
      .def(
          "codes", &codes, nb::arg("name"), nb::sig("def codes(self, name: str) -> lieq.matrices.QuantizedMatrix"),
          "A quantised weight matrix as codes [out, in], scales and zeros [out, in / group_size]; not copied where its "
          "form allows it. Raises UnsupportedError for dense weights and for blocks whose scales are products.");
}

}  // namespace lieq::python
