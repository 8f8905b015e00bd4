#pragma once
/// The plain records that stages exchange, each readable and writable as JSON.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq {

/// Perplexity of one model on one text; with a reference model also the distance to it.
struct EvalRecord {
  std::string model;               ///< as the user named it
  std::string text;                ///< file name of the text
  std::string protocol;            ///< how the text was cut and scored: "gptq", "windows", "llamacpp" or "lm-eval"
  std::string compute;             ///< arithmetic of the forward pass: "fp32" or "bf16"
  std::uint64_t window = 0;        ///< tokens in a window
  std::uint64_t stride = 0;        ///< tokens between the starts of two windows; 0: the window
  std::uint64_t num_tokens = 0;    ///< predicted tokens
  double nll = 0;                  ///< mean negative log-likelihood in nats per predicted token
  double perplexity = 0;           ///< exp(nll)
  double perplexity_stderr = 0;    ///< perplexity x standard error of the mean over tokens
  double code_bits = 0;            ///< bits of the codes alone, per weight of the transformer linears
  double true_bits = 0;            ///< codes, scales, zero points and padding, per weight of the same
  std::uint64_t file_bytes = 0;    ///< bytes of the weight files
  double seconds = 0;              ///< wall time of scoring; models scored together share it
  std::optional<double> kl;        ///< mean KL(reference || model) in nats per token
  std::optional<double> kl_stderr, kl_p99;  ///< its standard error; the KL that 99 % of the tokens do not exceed
  std::optional<double> top1;      ///< share of positions whose arg-max equals the reference's
  std::optional<double> top1_stderr;
  /// Of the lm-eval protocol, per word and byte of the text as it is stored.
  std::optional<double> word_perplexity, byte_perplexity, bits_per_byte;
  std::optional<double> word_perplexity_stderr, byte_perplexity_stderr, bits_per_byte_stderr;
};

[[nodiscard]] Json to_json(const EvalRecord& record);
/// Errors: kInvalidFormat naming `place` and the field.
[[nodiscard]] Result<EvalRecord> eval_record_from_json(const Json& json, const std::string& place);

}  // namespace lieq
