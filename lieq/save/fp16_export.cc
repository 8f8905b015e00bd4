#include "lieq/save/folder_exports.h"
#include "lieq/save/hf_folder.h"

namespace lieq::save {
namespace {

Result<void> check(const model::Model&, const ExportOptions& options) {
  return check_dense_embedding(options, "hf-fp16");
}

Result<void> write(const model::Model& model, const ExportOptions& options, const std::filesystem::path& path,
                   Threads& threads, Sink&) {
  return write_hf_folder(model, options, {.dense = DenseTypes::kHalf}, path, threads);
}

}  // namespace

const Target kHfFp16Target{"hf-fp16",      "transformers and whatever reads dense models", true, "-fp16", check, write,
                           store_in_folder};

}  // namespace lieq::save
