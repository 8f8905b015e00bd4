# Everything that is not our own, from the system. Also installed, for programs that use the library.
include(CMakeFindDependencyMacro)
find_dependency(tl-expected)
find_dependency(nlohmann_json 3.11)
find_dependency(fmt 9)
find_dependency(hwy 1.0)
find_dependency(Threads)
find_dependency(OpenMP)
find_dependency(PkgConfig)
pkg_check_modules(LIEQ_PCRE2 REQUIRED IMPORTED_TARGET GLOBAL libpcre2-8)
pkg_check_modules(LIEQ_XXHASH REQUIRED IMPORTED_TARGET GLOBAL libxxhash)
pkg_check_modules(LIEQ_UTF8PROC REQUIRED IMPORTED_TARGET GLOBAL libutf8proc)
pkg_check_modules(LIEQ_CURL REQUIRED IMPORTED_TARGET GLOBAL libcurl>=7.85)
pkg_check_modules(LIEQ_CRYPTO REQUIRED IMPORTED_TARGET GLOBAL libcrypto)
find_dependency(ZLIB)

# Debian's dnnl-config.cmake asks for OpenCL's development files, which the CPU engine does not need.
if(NOT TARGET lieq_dnnl)
  find_library(LIEQ_DNNL_LIBRARY dnnl REQUIRED)
  find_path(LIEQ_DNNL_INCLUDE_DIR dnnl.hpp REQUIRED)
  add_library(lieq_dnnl UNKNOWN IMPORTED GLOBAL)
  set_target_properties(lieq_dnnl PROPERTIES IMPORTED_LOCATION ${LIEQ_DNNL_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${LIEQ_DNNL_INCLUDE_DIR})
endif()
