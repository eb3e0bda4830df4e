# How this project declares its libraries, programs and tests.

find_program(SCANSERVE_CCACHE ccache)
if(SCANSERVE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SCANSERVE_CCACHE})
endif()

add_library(scanserve_warnings INTERFACE)
target_compile_options(scanserve_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow
  $<$<BOOL:${SCANSERVE_WERROR}>:-Werror>
  # GCC 12 sees overlaps in std::string's operator+ and uninitialised values in std::optional that
  # are not there (GCC bugs 105651 and 80635).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-maybe-uninitialized>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)

# scanserve_library(name SOURCES a.cc .. DEPS target ..): a static library scanserve_<name> with the
# alias scanserve::<name>. Includes are written from the root of the repository.
function(scanserve_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(scanserve_${name} STATIC ${ARG_SOURCES})
  add_library(scanserve::${name} ALIAS scanserve_${name})
  target_include_directories(scanserve_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(scanserve_${name} PUBLIC ${ARG_DEPS}
    PRIVATE $<BUILD_INTERFACE:scanserve_warnings> ${ARG_PRIVATE_DEPS})
endfunction()

function(scanserve_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} scanserve_warnings)
endfunction()

# Sanitizers make a test slower by ten times and more.
set(SCANSERVE_TEST_TIMEOUT ${SCANSERVE_TEST_TIMEOUT})
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=")
  set(SCANSERVE_TEST_TIMEOUT 3000)
endif()

# scanserve_test(name SOURCES a_test.cc .. DEPS target .. [LABEL fast|system]): one program of
# GoogleTest cases; each case is one ctest entry. SCANSERVE_SOURCE_DIR names the repository's root.
function(scanserve_test name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL fast)
  endif()
  scanserve_program(${name} SOURCES ${ARG_SOURCES} DEPS ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_compile_definitions(${name} PRIVATE SCANSERVE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  gtest_discover_tests(${name} TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${SCANSERVE_TEST_TIMEOUT})
endfunction()
