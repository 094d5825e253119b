# Checks the layout of the native sources where clang-format is installed.
#   cmake -DROOT=<checkout> -P format.cmake            reports, and fails on a difference
#   cmake -DROOT=<checkout> -DFIX=ON -P format.cmake   lays the files out
cmake_minimum_required(VERSION 3.25)

find_program(clang_format NAMES clang-format-14 clang-format)
if(NOT clang_format)
  message(STATUS "clang-format is not installed: the layout of the native sources was not checked")
  return()
endif()
execute_process(COMMAND ${clang_format} --version OUTPUT_VARIABLE version)
string(REGEX MATCH "version ([0-9]+)" version "${version}")
set(version ${CMAKE_MATCH_1})

file(GLOB_RECURSE sources ${ROOT}/cuda/*.h ${ROOT}/cuda/*.cpp ${ROOT}/cuda/*.cu ${ROOT}/cuda/*.cuh
     ${ROOT}/bench/*.cu ${ROOT}/bench/*.cpp)
if(NOT sources)
  return()
endif()
list(LENGTH sources count)
if(FIX)
  execute_process(COMMAND ${clang_format} -i ${sources} COMMAND_ERROR_IS_FATAL ANY)
  message(STATUS "clang-format ${version} laid out ${count} native sources")
  return()
endif()
execute_process(COMMAND ${clang_format} --dry-run --Werror ${sources} RESULT_VARIABLE result)
if(result EQUAL 0)
  message(STATUS "clang-format ${version}: ${count} native sources, nothing to change")
elseif(version EQUAL 14)
  message(FATAL_ERROR "clang-format ${version} would change the sources named above; "
                      "cmake -DROOT=. -DFIX=ON -P cmake/format.cmake does it")
else()
  # Each version breaks some lines otherwise, so only the project's version may refuse.
  message(STATUS "clang-format ${version} would change the sources named above; the project's "
                 "layout is that of version 14, so this is a note and no error")
endif()
