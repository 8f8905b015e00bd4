#pragma once
/// The fixed parts of the page: how its HTML looks, and what its script does.

namespace lieq::report {

extern const char* const kPageStyle;
extern const char* const kPageScript;

}  // namespace lieq::report
