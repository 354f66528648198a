# shoal_module(NAME [OUTER] [USES module...] [WITH library...])
#
# Builds src/NAME/*.cpp into shoal_NAME and, with SHOAL_TESTS, src/NAME/*_test.cpp into NAME_test.
# USES is public (headers include headers), WITH is not: third-party headers stay inside the module. OUTER: the
# broker's messages do not pass through it; where tests are built it is not optimized, which with sanitizers is most of
# compiling it, and pointers are not checked for alignment, whose data are half of the program and slow its start.
#
# Eight files of a target are compiled as one in the preset dev, and of an OUTER module everywhere: most of compiling them
# is headers. So what is in an anonymous namespace needs a name that no other source, or test, of the module has.
# -DCMAKE_UNITY_BUILD=OFF compiles each alone: sooner done where one changes.
option(SHOAL_TESTS "Build tests, examples and their dependencies" OFF)
option(SHOAL_FUZZ "Build only the fuzz targets and what they use; needs clang" OFF)

set(SHOAL_WARNINGS "" CACHE STRING "Warning flags; the presets make warnings errors")
separate_arguments(SHOAL_WARNINGS)
add_compile_options(${SHOAL_WARNINGS})

if(SHOAL_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
endif()

# What nearly every file includes, compiled once for each set of options. Not where nothing is tested: there an include
# that is missing shows.
if(SHOAL_TESTS)
  # For what is built and started often and need not be fast.
  set(quick_options -O0 -fno-sanitize=alignment)
  set(standard <algorithm> <array> <atomic> <chrono> <cstdint> <functional> <map> <memory> <mutex> <optional> <set>
    <span> <string> <string_view> <unordered_map> <utility> <variant> <vector>)
  file(WRITE ${CMAKE_BINARY_DIR}/nothing.cpp "")
  foreach(target precompiled precompiled_outer precompiled_tests)
    add_library(${target} OBJECT ${CMAKE_BINARY_DIR}/nothing.cpp)
    target_precompile_headers(${target} PRIVATE ${standard})
    target_compile_options(${target} PRIVATE -fpch-preprocess)  # ccache wants it
    target_compile_features(${target} PRIVATE cxx_std_20)
  endforeach()
  target_compile_options(precompiled_outer PRIVATE ${quick_options})
  target_precompile_headers(precompiled_tests PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
  target_compile_options(precompiled_tests PRIVATE ${quick_options})
  target_link_libraries(precompiled_tests PRIVATE GTest::gmock)
endif()

# Gives a target what is precompiled.
function(shoal_precompiled target from)
  if(SHOAL_TESTS)
    target_precompile_headers(${target} REUSE_FROM ${from})
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
endfunction()

# All tests of a program are one for ctest: to start a program for each takes longer than most of them.
function(shoal_unit_test name program)
  add_test(NAME ${name} COMMAND ${program})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600)
endfunction()

function(shoal_module name)
  cmake_parse_arguments(arg "OUTER" "" "USES;WITH" ${ARGN})
  set(folder ${CMAKE_SOURCE_DIR}/src/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  file(GLOB tests CONFIGURE_DEPENDS ${folder}/*_test.cpp)
  list(REMOVE_ITEM sources ${tests})
  if(sources)
    set(scope PUBLIC)
    add_library(shoal_${name} STATIC ${sources})
    target_link_libraries(shoal_${name} PRIVATE ${arg_WITH})
    set_target_properties(shoal_${name} PROPERTIES EXCLUDE_FROM_ALL ${SHOAL_FUZZ})
    if(arg_OUTER AND NOT DEFINED CMAKE_UNITY_BUILD)
      set_target_properties(shoal_${name} PROPERTIES UNITY_BUILD ON)
    endif()
    if(SHOAL_TESTS AND arg_OUTER)
      target_compile_options(shoal_${name} PRIVATE ${quick_options})
      shoal_precompiled(shoal_${name} precompiled_outer)
    else()
      shoal_precompiled(shoal_${name} precompiled)
    endif()
  else()
    set(scope INTERFACE)
    add_library(shoal_${name} INTERFACE)
    target_link_libraries(shoal_${name} INTERFACE ${arg_WITH})
  endif()
  target_include_directories(shoal_${name} ${scope} ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
  target_compile_features(shoal_${name} ${scope} cxx_std_20)
  list(TRANSFORM arg_USES PREPEND shoal_)
  target_link_libraries(shoal_${name} ${scope} ${arg_USES})
  if(SHOAL_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_include_directories(${name}_test PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    # They run once and are compiled often. What they test is optimized as it would be without them.
    target_compile_options(${name}_test PRIVATE ${quick_options})
    shoal_precompiled(${name}_test precompiled_tests)
    target_link_libraries(${name}_test PRIVATE shoal_${name} ${arg_WITH} GTest::gtest_main GTest::gmock)
    shoal_unit_test(${name} ${name}_test)
  endif()
endfunction()
