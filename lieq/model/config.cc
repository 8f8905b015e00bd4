#include "lieq/model/config.h"

namespace lieq::model {

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> all = {
      {"LlamaForCausalLM", "llama", false, false, true, 0, 2048, false},
      {"Qwen2ForCausalLM", "qwen2", true, false, false, 0, 32768, true},
      {"Qwen3ForCausalLM", "qwen3", false, true, false, 128, 32768, true},
  };
  return all;
}

}  // namespace lieq::model
