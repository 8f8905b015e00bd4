# find_package(lieq) for other CMake projects: link lieq::eval, lieq::model, ... or lieq::lieq for all rooms.
include(CMakePackageConfigHelpers)

add_library(lieq_all INTERFACE)
add_library(lieq::lieq ALIAS lieq_all)
set_target_properties(lieq_all PROPERTIES EXPORT_NAME lieq)
foreach(room base linalg io hub pack jinja text grammar kernels model eval diagnose allocate report quantize save pipeline serve)
  target_link_libraries(lieq_all INTERFACE lieq::${room})
endforeach()
install(TARGETS lieq_all EXPORT lieqTargets)

set(LIEQ_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/lieq)
install(EXPORT lieqTargets NAMESPACE lieq:: DESTINATION ${LIEQ_CMAKE_DIR})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/lieqConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/lieqConfig.cmake
                              INSTALL_DESTINATION ${LIEQ_CMAKE_DIR})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/lieqConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/lieqConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/lieqConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/LieqDependencies.cmake
        DESTINATION ${LIEQ_CMAKE_DIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/demo/ DESTINATION ${CMAKE_INSTALL_DATADIR}/lieq/demo)
