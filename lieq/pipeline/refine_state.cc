#include "lieq/pipeline/refine_state.h"

#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "lieq/io/safetensors.h"
#include "lieq/io/safetensors_writer.h"

namespace lieq::pipeline {
namespace {

/// Visits every array with its name, so that writing and reading cannot differ.
template <class State, class Visit>
Result<void> visit_arrays(State& state, const Visit& visit) {
  LIEQ_TRY(visit("values", state.values));
  LIEQ_TRY(visit("best", state.best));
  LIEQ_TRY(visit("first", state.adam.first));
  return visit("second", state.adam.second);
}

}  // namespace

Result<void> RefineState::write(const std::filesystem::path& file) const {
  // Numbers of the record as bits, so that what is read is what was written.
  std::vector<std::uint64_t> facts = {step, record.best_step, std::bit_cast<std::uint64_t>(record.start),
                                      std::bit_cast<std::uint64_t>(record.best)};
  for (const auto& [at, kl] : record.history) facts.insert(facts.end(), {at, std::bit_cast<std::uint64_t>(kl)});
  std::vector<io::TensorInfo> infos = {{"facts", DType::kU64, {facts.size()}}};
  LIEQ_TRY(visit_arrays(*this, [&](const char* name, const std::vector<float>& numbers) -> Result<void> {
    infos.push_back({name, DType::kF32, {numbers.size()}});
    return {};
  }));
  LIEQ_ASSIGN(io::SafetensorsWriter writer, io::SafetensorsWriter::create(file, std::move(infos)));
  LIEQ_TRY(writer.write("facts", facts.data(), facts.size() * sizeof facts[0]));
  LIEQ_TRY(visit_arrays(*this, [&](const char* name, const std::vector<float>& numbers) {
    return writer.write(name, numbers.data(), numbers.size() * sizeof(float));
  }));
  return std::move(writer).finish();
}

Result<bool> RefineState::read(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return false;
  LIEQ_ASSIGN(const io::TensorSet tensors, io::open_safetensors(file));
  const auto wrong = [&](const std::string& name) {
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: tensor '{}': missing or of another size, expected the state of a refinement "
                            "(--force to start anew)",
                            file.string(), name));
  };
  const io::Tensor* found = tensors.find("facts");
  if (!found || found->type != DType::kU64 || found->data.size() < 4 * sizeof(std::uint64_t)) return wrong("facts");
  std::vector<std::uint64_t> facts(found->data.size() / sizeof(std::uint64_t));
  std::memcpy(facts.data(), found->data.data(), found->data.size());
  step = facts[0];
  record.best_step = facts[1];
  record.start = std::bit_cast<double>(facts[2]);
  record.best = std::bit_cast<double>(facts[3]);
  for (std::size_t i = 4; i + 1 < facts.size(); i += 2)
    record.history.emplace_back(facts[i], std::bit_cast<double>(facts[i + 1]));
  LIEQ_TRY(visit_arrays(*this, [&](const char* name, std::vector<float>& numbers) -> Result<void> {
    const io::Tensor* tensor = tensors.find(name);
    if (!tensor || tensor->type != DType::kF32 || tensor->data.size() != numbers.size() * sizeof(float))
      return wrong(name);
    std::memcpy(numbers.data(), tensor->data.data(), tensor->data.size());
    return {};
  }));
  return true;
}

}  // namespace lieq::pipeline
