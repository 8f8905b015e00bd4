# Sets LIEQ_PAGE_SOURCE to a .cc file with the page: HTML, styles and scripts of this folder in one string.
set(LIEQ_PAGE_SOURCE ${CMAKE_CURRENT_BINARY_DIR}/page_text.cc)
set(page_folder ${CMAKE_CURRENT_LIST_DIR})
set(page_parts page.html style.css markdown.js highlight.js store.js stream.js ui.js settings.js sidebar.js chat.js)
list(TRANSFORM page_parts PREPEND ${page_folder}/)
add_custom_command(OUTPUT ${LIEQ_PAGE_SOURCE}
  COMMAND ${CMAKE_COMMAND} -D OUT=${LIEQ_PAGE_SOURCE} -D FOLDER=${page_folder} -P ${page_folder}/combine.cmake
  DEPENDS ${page_parts} ${page_folder}/combine.cmake
  VERBATIM)
