#pragma once
/// UTF-8 by the names of this room; the functions are in lieq/base/utf8.h.

#include "lieq/base/utf8.h"

namespace lieq::text {

using lieq::repair_utf8;
using lieq::RepairedText;

}  // namespace lieq::text
