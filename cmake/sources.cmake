# Writes the project's own sources into one text: what `train char-lm` learns without --text.
#   cmake -DROOT=<checkout> -DOUT=<file> -P sources.cmake
# The order is that of the paths, so the text depends on the sources alone.
cmake_minimum_required(VERSION 3.25)

file(GLOB_RECURSE sources RELATIVE ${ROOT}
     ${ROOT}/cuda/*.h ${ROOT}/cuda/*.cpp ${ROOT}/cuda/*.cu ${ROOT}/cuda/*.cuh
     ${ROOT}/java/*.java)
list(FILTER sources EXCLUDE REGEX "/(test|target)/")
list(SORT sources COMPARE STRING)
set(text "")
foreach(source IN LISTS sources)
  file(READ ${ROOT}/${source} content)
  string(APPEND text "// ==== ${source} ====\n${content}\n")
endforeach()
get_filename_component(folder ${OUT} DIRECTORY)
file(MAKE_DIRECTORY ${folder})
file(WRITE ${OUT}.new "${text}")
file(COPY_FILE ${OUT}.new ${OUT} ONLY_IF_DIFFERENT)
file(REMOVE ${OUT}.new)
