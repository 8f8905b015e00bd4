#pragma once

#include "lieq/base/sink.h"

namespace lieq {

/// Hears everything and says nothing.
inline Sink quiet;

}  // namespace lieq
