#include "lieq/serve/page.h"
namespace lieq::serve {
const std::string_view kPage = "<!doctype html><title>lieq</title><p>The chat page is not part of this build.</p>";
const std::string_view kPagePolicy = "default-src 'none'";
}  // namespace lieq::serve
