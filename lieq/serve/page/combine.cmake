# cmake -D OUT=page_text.cc -D FOLDER=... -P combine.cmake
file(READ ${FOLDER}/page.html page)
file(READ ${FOLDER}/style.css style)
set(script "'use strict';\n")
foreach(name markdown highlight store stream ui settings sidebar chat)
  file(READ ${FOLDER}/${name}.js part)
  string(APPEND script "${part}")
endforeach()
string(REPLACE "/*STYLE*/" "${style}" page "${page}")
string(REPLACE "/*SCRIPT*/" "${script}" page "${page}")

# Content-Security-Policy names the hashes of what is inline, in base64, which CMake has no command for.
function(base64_sha256 text result)
  set(alphabet ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
  string(SHA256 hex "${text}")
  string(APPEND hex "00")  # 32 bytes are ten groups of three, and two more bytes
  set(base64 "")
  foreach(at RANGE 0 60 6)
    string(SUBSTRING "${hex}" ${at} 6 group)
    math(EXPR group "0x${group}")
    foreach(shift 18 12 6 0)
      math(EXPR index "(${group} >> ${shift}) & 63")
      string(SUBSTRING ${alphabet} ${index} 1 letter)
      string(APPEND base64 "${letter}")
    endforeach()
  endforeach()
  string(REGEX REPLACE "A$" "=" base64 "${base64}")
  set(${result} "${base64}" PARENT_SCOPE)
endfunction()
base64_sha256("${style}" style_hash)
base64_sha256("${script}" script_hash)
set(policy "default-src 'none'; script-src 'sha256-${script_hash}'; style-src 'sha256-${style_hash}'; \
connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")

# A raw string may be long for some compilers' taste, so it comes in pieces.
set(literal "")
string(LENGTH "${page}" length)
set(at 0)
while(at LESS length)
  string(SUBSTRING "${page}" ${at} 8000 piece)
  string(APPEND literal "R\"PAGE(${piece})PAGE\"\n")
  math(EXPR at "${at} + 8000")
endwhile()
file(WRITE ${OUT} "// Made by combine.cmake.\n#include \"lieq/serve/page.h\"\n\nnamespace lieq::serve {\n\n\
const std::string_view kPage =\n${literal};\nconst std::string_view kPagePolicy = \"${policy}\";\n\n\
}  // namespace lieq::serve\n")
# For the tests of the page, which need no server of ours.
file(WRITE ${OUT}.html "${page}")
file(WRITE ${OUT}.policy "${policy}")
