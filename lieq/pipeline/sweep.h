#pragma once
/// Job: one model quantised in many ways, each evaluated.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lieq/allocate/grid.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/sweep_record.h"
#include "lieq/base/threads.h"
#include "lieq/pipeline/calibrate.h"
#include "lieq/pipeline/evaluate.h"
#include "lieq/pipeline/recipe.h"
#include "lieq/quantize/options.h"

namespace lieq::pipeline {

struct SweepOptions {
  std::string model;                     ///< as load_bundle takes it
  std::string output;                    ///< folder, made or gone on with
  std::string results = "results.json";  ///< name of the results file in it, ending in .json
  std::string top = "1";                 ///< layers at the highest width: "1..16", "1,2,4", "0" (allocate::numbers_in)
  std::vector<quantize::Method> methods = {quantize::Method::kGptq};
  std::vector<std::string> scores = {"geometry"};  ///< what ranks the layers (allocate::criterion_of)
  std::vector<int> choices = {2, 4};               ///< widths; the highest and the lowest are used
  std::string normalize = "minmax";                ///< as ScoreOptions::normalize
  std::uint64_t per_bucket = 100;                  ///< passages of each length for the diagnosis
  std::uint64_t seed = 42;                         ///< of the ranking "random"
  quantize::Options recipe = default_recipe();     ///< its method is not read
  CalibrationOptions calibration;                  ///< its `plain` is set by the job, from the recipe
  EvaluateOptions eval;                            ///< its models are not read
  bool kl = false;     ///< also measure KL and agreement, which runs the original beside each model
  bool keep = false;   ///< keep the quantised models, in OUTPUT/models
  bool force = false;  ///< start anew where a sweep with other options lies
};

/// What a sweep will do.
struct SweepPlan {
  std::size_t cells = 0, models = 0;  ///< points of the grid; different models they come to
  std::size_t done = 0;               ///< models that are finished already
  std::size_t tokens = 0;             ///< that each model is evaluated on, about
  double seconds = 0;                 ///< that the rest takes
  std::size_t disk = 0;               ///< bytes while it runs
};

/// A model that has just been finished; index 0 is the original.
struct SweepStep {
  std::size_t index = 0, models = 0;
  std::string name;
  EvalSummary summary;
  double seconds = 0, seconds_left = 0;  ///< left: 0 for the original
};

/// A sweep whose inputs are read and whose grid is planned.
class Sweep {
 public:
  /// Loads the model and the evaluation's texts, calibrates, and measures what ranks the layers, which is kept in
  /// OUTPUT. options, threads and sink must outlive the result. Errors: those of quantising and evaluating;
  /// kInvalidArgument for a folder of another sweep; kInvalidFormat for what OUTPUT keeps; kCancelled.
  [[nodiscard]] static Result<Sweep> prepare(const SweepOptions& options, Threads& threads, Sink& sink);

  [[nodiscard]] SweepPlan plan() const;

  /// Runs the grid and writes OUTPUT/RESULTS once the original is evaluated and after
  /// each model; what OUTPUT holds already is not done again. Shared between cells: the model, calibration text,
  /// diagnosis, sensitivities, the original's evaluation, cells of the same widths and method, and the first layers of
  /// neighbouring runs. Cancelled or killed at any moment, the same call goes on from there. command: recorded.
  /// finished: told of each model.
  /// Errors: those of quantize_layers, save_layers, Bundle::load and SweepEvaluation; kInvalidFormat for what OUTPUT
  /// keeps; kIo; kCancelled.
  [[nodiscard]] Result<SweepResults> run(const std::string& command,
                                         const std::function<void(const SweepStep&)>& finished = {});

  Sweep(Sweep&&) noexcept;
  Sweep& operator=(Sweep&&) noexcept;
  ~Sweep();

 private:
  struct State;
  explicit Sweep(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// prepare() and run(), with the errors of both.
[[nodiscard]] Result<SweepResults> sweep(const SweepOptions& options, const std::string& command, Threads& threads,
                                         Sink& sink);

}  // namespace lieq::pipeline
