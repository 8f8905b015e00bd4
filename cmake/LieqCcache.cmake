# Objects come from ccache where it is installed, unless a compiler launcher was named (an empty one: none).
option(LIEQ_CCACHE "Compile through ccache where it is installed" ${PROJECT_IS_TOP_LEVEL})
if(LIEQ_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(LIEQ_CCACHE_PROGRAM ccache)
  if(LIEQ_CCACHE_PROGRAM)
    # Paths below the source folder count as relative, so that a clone in another folder finds the same objects.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} ${LIEQ_CCACHE_PROGRAM})
  endif()
endif()
