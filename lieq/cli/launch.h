#pragma once
/// How the program was started: alone, or by mpirun or srun as one of several ranks.

#include <memory>
#include <string>

#include "lieq/base/ranks.h"
#include "lieq/base/result.h"

namespace lieq::cli {

/// One in the life of a process. Standard output of all ranks but the first leads nowhere.
class Launch {
 public:
  /// Looks at what launchers leave in the environment, and joins the other ranks if there may be any.
  Launch();
  /// Waits for the other ranks.
  ~Launch();
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  [[nodiscard]] Ranks& ranks() const;
  /// Errors: kUnsupported if there are other ranks that this build cannot talk to.
  [[nodiscard]] Result<void> check() const;
  /// After work that went well, asked on all ranks: a line on what each had to do, for the first one to show; empty
  /// where it is alone.
  [[nodiscard]] std::string summary() const;
  /// After the message went to standard error: the exit status of this process, or with several ranks the end of all.
  /// Others than the first come here alone only if what failed is their own, their file or their memory: what fails
  /// everywhere the first one tells.
  int fail(const std::string& message, int status) const;

 private:
  struct Joined;
  std::unique_ptr<Joined> joined_;
  std::string unknown_;  ///< what is wrong with how it was started
  bool silent_ = false;  ///< another process says so
};

}  // namespace lieq::cli
