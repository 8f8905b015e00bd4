#pragma once
/// The demo model under short jobs, and a sink that ends them.

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/io/atomic_file.h"
#include "lieq/pipeline/quantize.h"

namespace lieq::pipeline {

/// Cancels once a stage whose name ends in `stage` has finished so many units; hears notes.
class Cancel : public Sink {
 public:
  Cancel(std::string stage, std::size_t after) : stage_(std::move(stage)), after_(after) {}
  void note(std::string_view line) override { notes.emplace_back(line); }
  void progress(std::string_view what, std::size_t done, std::size_t) override {
    if (what.ends_with(stage_) && done >= after_) cancelled_ = true;
  }
  [[nodiscard]] bool cancelled() const override { return cancelled_; }

  std::vector<std::string> notes;

 private:
  std::string stage_;
  std::size_t after_;
  bool cancelled_ = false;
};

class Job : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "lieq-pipeline-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] static std::string demo() { return LIEQ_DEMO_DIR; }
  [[nodiscard]] static std::string text() { return demo() + "/heldout.txt"; }

  [[nodiscard]] CalibrationOptions short_text() const {
    CalibrationOptions options;
    options.source = text();
    options.windows = 4;
    options.window = 64;
    return options;
  }
  [[nodiscard]] QuantizeOptions short_job(const std::string& name) const {
    QuantizeOptions options;
    options.model = demo();
    options.output = (folder_ / name).string();
    options.recipe.sweeps = 1;
    options.calibration = short_text();
    return options;
  }
  [[nodiscard]] static std::string bytes_of(const std::string& folder) {
    return io::read_file(folder + "/model.safetensors").value_or("");
  }

  std::filesystem::path folder_;
  Threads threads_{2};
  Sink sink_;
};

}  // namespace lieq::pipeline
