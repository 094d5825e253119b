# What Maven runs to build and test the native code; java/fusedrnn/pom.xml has the calls.
#   cmake -DROOT=<checkout> -DBUILD=<folder> -DSTAGE=<folder> -DCUDA=auto|on|off
#         -DARCHITECTURES=<list> -DJAVA_HOME=<jdk> -DCLASSES=<folder> -DJAVACPP=<jar>
#         -DSKIP_TESTS=true|false -P maven.cmake
#   cmake -DTEST=<build folder> -P maven.cmake
# The first configures, compiles and lays the libraries into STAGE/<platform>/; the second tests.
cmake_minimum_required(VERSION 3.25)

function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "fusedrnn: ${what} failed (${result}); the reason stands above")
  endif()
endfunction()

cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)

if(TEST)
  run("a native test" ${CMAKE_CTEST_COMMAND} --test-dir ${TEST} --output-on-failure
      --no-tests=error --parallel ${cores})
  return()
endif()

# A checkout may carry a build folder of an nvcc that was not there before.
set(arguments -S ${ROOT} -B ${BUILD})
if(EXISTS ${BUILD}/CMakeCache.txt)
  file(STRINGS ${BUILD}/CMakeCache.txt no_cuda REGEX "^CMAKE_CUDA_COMPILER:.*NOTFOUND$")
  if(no_cuda)
    list(APPEND arguments -UCMAKE_CUDA_COMPILER)
  endif()
else()
  find_program(ninja ninja)
  if(ninja)
    list(APPEND arguments -G Ninja)
  endif()
endif()

string(TOUPPER "${CUDA}" CUDA)
if(NOT CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "fusedrnn.cuda: expected auto, on or off, got '${CUDA}'")
endif()
if(SKIP_TESTS)
  set(tests OFF)
else()
  set(tests ON)
endif()
list(APPEND arguments -DFRNN_CUDA=${CUDA} -DFRNN_TESTS=${tests} -DFRNN_JAVA_HOME=${JAVA_HOME}
     -DFRNN_JAVA_CLASSES=${CLASSES} -DFRNN_JAVACPP_JAR=${JAVACPP})
if(ARCHITECTURES)
  list(APPEND arguments "-DFRNN_CUDA_ARCHITECTURES=${ARCHITECTURES}")
else()
  list(APPEND arguments -UFRNN_CUDA_ARCHITECTURES) # back to the project's own list
endif()

run("cmake's configuration" ${CMAKE_COMMAND} ${arguments})
run("the native build" ${CMAKE_COMMAND} --build ${BUILD} --parallel ${cores})

# Through an install, so that a library that this configuration leaves out is left out of the jar.
cmake_host_system_information(RESULT machine QUERY OS_PLATFORM)
set(installed ${BUILD}/install)
file(REMOVE_RECURSE ${installed})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${installed} --strip
                OUTPUT_QUIET RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "fusedrnn: installing the native libraries into ${installed} failed")
endif()
set(stage ${STAGE}/linux-${machine})
file(MAKE_DIRECTORY ${stage})
file(GLOB libraries RELATIVE ${installed}/lib ${installed}/lib/*.so)
file(GLOB staged RELATIVE ${stage} ${stage}/*.so)
foreach(library IN LISTS staged)
  if(NOT library IN_LIST libraries)
    file(REMOVE ${stage}/${library})
  endif()
endforeach()
foreach(library IN LISTS libraries)
  file(COPY_FILE ${installed}/lib/${library} ${stage}/${library} ONLY_IF_DIFFERENT)
endforeach()
list(JOIN libraries " " libraries)
message(STATUS "fusedrnn: native libraries for linux-${machine}: ${libraries}")
if(NOT libraries MATCHES "libfusedrnn_cuda.so")
  message(STATUS "fusedrnn: WITHOUT the CUDA library (no nvcc on the PATH, or -Dfusedrnn.cuda=off)")
endif()
