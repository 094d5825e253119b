# The CUDA library, where nvcc is found. It links the CUDA runtime statically and opens cuBLAS when
# it runs, so that building needs nvcc alone.
set(FRNN_WITH_CUDA OFF)
if(NOT FRNN_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    set(FRNN_WITH_CUDA ON)
  elseif(FRNN_CUDA STREQUAL "ON")
    message(FATAL_ERROR "FRNN_CUDA is ON, but no working nvcc was found. Put nvcc (CUDA 12 or 13) "
                        "on the PATH or set CUDACXX to it.")
  else()
    message(STATUS "fusedrnn: no nvcc was found: the CUDA library is left out of this build "
                   "(backend `cuda` will not be available; cpu and emulated are built)")
  endif()
else()
  message(STATUS "fusedrnn: FRNN_CUDA is OFF: the CUDA library is left out of this build")
endif()

if(FRNN_WITH_CUDA)
  file(GLOB frnn_cuda_machine CONFIGURE_DEPENDS ${frnn_src}/machine/cuda/*.cpp)
  set(CMAKE_CUDA_STANDARD 17)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_FLAGS_RELEASE "-O3")
  list(JOIN FRNN_CUDA_ARCHITECTURES " " frnn_architectures)
  message(STATUS "fusedrnn: CUDA ${CMAKE_CUDA_COMPILER_VERSION}, architectures ${frnn_architectures}")

  add_library(fusedrnn_cuda SHARED ${FRNN_GPU_SOURCES} ${frnn_src}/host/blas_cublas.cpp
              ${frnn_cuda_machine})
  target_include_directories(fusedrnn_cuda SYSTEM PRIVATE
                             ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  target_compile_definitions(fusedrnn_cuda PRIVATE FRNN_CUDA_VERSION="${CMAKE_CUDA_COMPILER_VERSION}"
                             FRNN_CUDA_ARCHITECTURES="${frnn_architectures}"
                             $<$<CONFIG:Debug>:FRNN_BOUNDED_WAITS>)
  target_link_libraries(fusedrnn_cuda PRIVATE frnn_common frnn_headers Threads::Threads
                        ${CMAKE_DL_LIBS} rt)
  set_target_properties(fusedrnn_cuda PROPERTIES CUDA_RUNTIME_LIBRARY Static
                        CUDA_VISIBILITY_PRESET hidden)
  frnn_shared_library(fusedrnn_cuda)
endif()
