#include "lieq/linalg/singular_values.h"

#include <algorithm>
#include <cmath>

#include <Eigen/Core>
#include <Eigen/Eigenvalues>

namespace lieq::linalg {
namespace {

using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Doubles = Eigen::MatrixXd;

Eigen::Index index(std::size_t size) { return narrow<Eigen::Index>(size); }

}  // namespace

std::vector<double> singular_values(MatrixView<const float> z) {
  const std::size_t count = std::min(z.rows(), z.cols());
  if (count == 0) return {};
  const Eigen::Map<const Floats, 0, Eigen::OuterStride<>> floats(z.data(), index(z.rows()), index(z.cols()),
                                                                 Eigen::OuterStride<>(index(z.stride())));
  // BDCSVD of z itself takes several times as long, for digits that a float32 product does not have.
  Doubles wide;  // the smaller side as rows
  if (z.rows() <= z.cols()) {
    wide = floats.cast<double>();
  } else {
    wide = floats.transpose().cast<double>();
  }
  Doubles gram = Doubles::Zero(index(count), index(count));  // lower triangle of wide wideᵀ
  gram.selfadjointView<Eigen::Lower>().rankUpdate(wide);
  const Eigen::SelfAdjointEigenSolver<Doubles> solver(gram, Eigen::EigenvaluesOnly);
  // Not converged: a non-finite matrix, which the caller promised not to give.
  LIEQ_CHECK(solver.info() == Eigen::Success);
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i)  // eigenvalues ascend, and rounding may leave tiny ones below zero
    values[count - 1 - i] = std::sqrt(std::max(0.0, solver.eigenvalues()[index(i)]));
  return values;
}

}  // namespace lieq::linalg
