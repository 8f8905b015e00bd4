# lieq_room(NAME SOURCES ... APART ... HEADERS ... DEPENDS rooms ... LINKS external targets ...)
# One static target per room. DEPENDS is the room's row in docs/architecture.md, which a test compares with the
# includes. APART are sources that must be compiled alone, such as Highway's, which include themselves once for each
# instruction set. NOT_HOT rooms are optimised less (lieq_not_hot). INTERNAL rooms are the program's alone and not installed. HEADERS form a file set, so that each one is compiled alone.
function(lieq_room name)
  cmake_parse_arguments(ROOM "NOT_HOT;INTERNAL" "" "SOURCES;APART;HEADERS;DEPENDS;LINKS;PRIVATE_LINKS" ${ARGN})
  set(target lieq_${name})
  lieq_unite(${name}_united ${ROOM_SOURCES})
  add_library(${target} STATIC ${${name}_united} ${ROOM_APART})
  add_library(lieq::${name} ALIAS ${target})
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${ROOM_HEADERS})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} VERIFY_INTERFACE_HEADER_SETS ON)
  foreach(room ${ROOM_DEPENDS})
    target_link_libraries(${target} PUBLIC lieq::${room})
  endforeach()
  target_link_libraries(${target} PUBLIC ${ROOM_LINKS} PRIVATE ${ROOM_PRIVATE_LINKS})
  target_compile_features(${target} PUBLIC cxx_std_20)
  lieq_compile_options(${target})
  if(ROOM_NOT_HOT)
    lieq_not_hot(${target})
  endif()
  if(NOT ROOM_INTERNAL)
    install(TARGETS ${target} EXPORT lieqTargets
            ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
            FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  endif()
endfunction()

# Code whose own work is little, since it calls others for what takes long: -O1 compiles it in three quarters of the time.
function(lieq_not_hot target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

# Warnings, sanitizers and floating-point rules of our own code.
# -ffp-contract=off: kernels ask for FMA by name, so the scalar oracle rounds alike on every CPU.
function(lieq_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -ffp-contract=off
                         $<$<BOOL:${LIEQ_WERROR}>:-Werror>)
  if(LIEQ_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${LIEQ_SANITIZE} -fno-omit-frame-pointer
                           -fno-sanitize-recover=all
                           $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)  # of std::regex, once it is instrumented
    target_link_options(${target} PUBLIC -fsanitize=${LIEQ_SANITIZE})
  endif()
  if(LIEQ_LIBFUZZER)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)  # the fuzzer sees which branches an input takes
  endif()
endfunction()
