#pragma once
/// The page at `/`: a chat over the server's own routes. Its sources are in page/; one document, nothing from
/// elsewhere.

#include <string_view>

namespace lieq::serve {

/// HTML, UTF-8.
extern const std::string_view kPage;
/// The value of Content-Security-Policy to send along: the page's own script and styles, and this server.
extern const std::string_view kPagePolicy;

}  // namespace lieq::serve
