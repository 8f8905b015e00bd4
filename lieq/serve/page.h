#pragma once
#include <string_view>
namespace lieq::serve {
extern const std::string_view kPage;
extern const std::string_view kPagePolicy;
}  // namespace lieq::serve
