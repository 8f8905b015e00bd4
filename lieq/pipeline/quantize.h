#pragma once
/// Job: from a model to a finished folder of the quantised one, and what that cost; or from such a folder to a refined
/// one.
///
///     lieq::Threads threads(2);
///     lieq::Sink sink;
///     lieq::pipeline::QuantizeOptions options{.model = "demo", .output = "demo-2bit"};
///     auto made = lieq::pipeline::quantize(options, threads, sink);

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/bit_plan.h"
#include "lieq/base/json.h"
#include "lieq/base/records.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/pipeline/calibrate.h"
#include "lieq/pipeline/estimate.h"
#include "lieq/pipeline/plan.h"
#include "lieq/pipeline/preview.h"
#include "lieq/pipeline/recipe.h"
#include "lieq/pipeline/refine.h"
#include "lieq/pipeline/smoke_test.h"
#include "lieq/quantize/options.h"
#include "lieq/save/export.h"

namespace lieq::pipeline {

struct QuantizeOptions {
  std::string model;  ///< as load_bundle takes it
  /// Folder to make, or on Grid::kK a .gguf file, with OUTPUT.json beside it. OUTPUT.partial holds an unfinished run.
  std::string output;
  /// A form of the model that is quantised already (MadeLayers), to be refined: its layers are taken as they are, and
  /// plan and recipe say nothing. Empty: the layers are made.
  std::string from;
  PlanOptions plan;
  /// compare_grid is set by the job: the other one of skew and half, tried in every compare_every-th layer.
  quantize::Options recipe = default_recipe();
  CalibrationOptions calibration;  ///< its `plain` and `validation_tokens` are set by the job
  /// Tune scales and norm gains after that (refine.h). Absent: nothing is trained, as in the paper.
  std::optional<RefineOptions> refine;
  /// Held-out texts of the final table, with a comma between; empty: what the calibration held out. The first one
  /// decides how embedding and head are saved.
  std::string text;
  std::size_t text_window = 0;     ///< tokens in a window of `text`; 0: 2048, or the model's limit
  std::size_t text_chunks = 0;     ///< score so many windows of it only; 0: all
  /// Bits of embedding and head as they are saved: 4, 6, 8, or 16 for a folder that any GPTQ reader takes. What the
  /// source holds in no more bits stays as it is. Absent: as many as `from` has (they are rounded
  /// from the model anew), without one 8 if that costs less than 0.1 % of perplexity, else 16.
  std::optional<unsigned> embed_bits;
  std::vector<std::string> exports;  ///< names of save::targets() to write beside the output when it is finished
  bool force = false;  ///< replace an existing output and exports, and an unfinished run with other options
};

/// What rounding embedding and head cost, on the held-out text.
struct EmbedTrial {
  unsigned bits = 0;
  double perplexity = 0, stored_perplexity = 0;  ///< with both rounded, and with both as the source has them
  bool taken = false;                            ///< the saved model holds them rounded

  [[nodiscard]] double cost() const { return perplexity / stored_perplexity - 1; }
};

/// What the other of skew and half would have given on the layers where it was tried.
struct GridComparison {
  std::string grid, other;
  double ratio = 0;        ///< calibration loss of `other` over that of `grid`
  std::size_t every = 15;  ///< layers
};

struct QuantizeRecord {
  std::vector<EvalRecord> records;  ///< the original and the model made, on the held-out text
  std::vector<EvalRecord> further;  ///< the same on the second text, on the third, ...
  std::string text;                 ///< the first text's name
  std::size_t window = 0;           ///< tokens
  std::optional<GridComparison> comparison;
  std::optional<RefineRecord> refined;
  std::optional<EmbedTrial> embed;  ///< absent: nothing was rounded
  std::string embedding_note;       ///< set when the head was found to be the embedding in another rounding
  std::string output, format;       ///< "GPTQ packing, checkpoint_format gptq_v2"
  std::vector<save::ExportRecord> exports;
  SmokeTest smoke;                     ///< what both write
  std::optional<std::string> warning;  ///< set when the model is broken (kCollapse in verdict.h); its files are kept
  Json provenance;                     ///< lieq.json
};

/// A quantisation whose inputs are read and whose plan is made.
class Quantization {
 public:
  /// Loads the model, reads or samples the calibration text, diagnoses, plans, and checks that everything fits, also
  /// into the containers of `exports`, for which one layer is rounded to nearest at each width. Makes the folders above
  /// the output that are missing, and writes nothing else but the caches that `options` names. threads and sink must
  /// outlive the result. Cost: that of sampling (calibrate.h) and of the diagnosis; nothing of the diagnosis
  /// resumes but shares of KL.
  /// Errors: kInvalidArgument (options; an output that exists; held-out text shorter than a window), kUnsupported (a
  /// container that cannot hold the result), kCancelled; those of load_bundle, calibrate() and plan().
  [[nodiscard]] static Result<Quantization> prepare(const QuantizeOptions& options, Threads& threads, Sink& sink);

  [[nodiscard]] const BitPlan& plan() const;
  [[nodiscard]] Estimate estimate() const;
  /// windows: decoded windows to have with it.
  [[nodiscard]] CalibrationFacts calibration(std::size_t windows = 0) const;

  /// Quantises every layer, refines if asked to, saves, scores both models and lets them write. Cancelled or killed at
  /// any moment, the same call on the same options goes on after the last finished layer, or within the refinement,
  /// with the same bytes as the result; nothing of the output's name exists before it is whole. Exports come after
  /// that: what a kill leaves out of them is export_model()'s to make.
  /// Of several ranks the first one writes, refines and scores; the others fit their share and return an empty record.
  /// Cost: estimate(). Errors: kInvalidArgument naming what differs from the unfinished run that lies there, kIo (also
  /// when the disk has not enough room, before the work), kNumerical, kCancelled.
  [[nodiscard]] Result<QuantizeRecord> run();

  Quantization(Quantization&&) noexcept;
  Quantization& operator=(Quantization&&) noexcept;
  ~Quantization();

 private:
  struct State;
  explicit Quantization(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// prepare() and run(). Bitwise the same folder for any number of threads and any power of two of ranks.
[[nodiscard]] Result<QuantizeRecord> quantize(const QuantizeOptions& options, Threads& threads, Sink& sink);

}  // namespace lieq::pipeline
