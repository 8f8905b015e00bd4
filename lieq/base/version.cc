#include "lieq/base/version.h"

namespace lieq {

const char* const kVersion = LIEQ_VERSION;

}  // namespace lieq
